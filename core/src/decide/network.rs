//! IP addresses and networks of them.

use ipnet::IpNet;
use std::net::IpAddr;

/// An IPv4 address is IPv4 also in its IPv6 form, `::ffff:10.0.0.1`; these are the first bits of that form.
const MAPPED_BITS: u8 = 96;

/// Reads an address. A number with a leading zero is refused, because some programs read it as octal: `010.1.2.3` may
/// be 8.1.2.3 or 10.1.2.3.
pub(crate) fn address(text: &str) -> Option<IpAddr> {
    text.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// Reads a network (`10.0.0.0/8`), or an address, which is the network of itself, in the same form as [`address`]. Bits
/// beyond its length are kept, so that they can be reported.
pub(crate) fn network(text: &str) -> Option<IpNet> {
    let Some((start, length)) = text.split_once('/') else { return address(text).map(IpNet::from) };
    let written: IpAddr = start.parse().ok()?;
    let is_plain =
        length.bytes().all(|byte| byte.is_ascii_digit()) && (length == "0" || !length.starts_with('0'));
    let length: u8 = length.parse().ok().filter(|_| is_plain)?;
    let canonical = written.to_canonical();
    if written == canonical {
        return IpNet::new(written, length).ok();
    }
    // A shorter length would be a network of IPv6 that begins with an address of IPv4.
    IpNet::new(canonical, length.checked_sub(MAPPED_BITS)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_and_addresses_have_one_form() {
        for (text, inside, outside) in [
            ("10.0.0.0/8", &["10.255.0.1", "::ffff:10.0.0.1"][..], &["11.0.0.0", "::10.0.0.1"][..]),
            ("::ffff:192.168.0.0/112", &["192.168.7.9", "::ffff:c0a8:0709"], &["192.169.0.0", "::c0a8:0709"]),
            ("::ffff:0:0/96", &["8.8.8.8"], &["::1"]),
            ("0.0.0.0/0", &["::ffff:8.8.8.8"], &["2001:db8::1"]),
            ("::/0", &["2001:db8::1"], &["8.8.8.8"]),
            ("::ffff:10.1.2.3", &["10.1.2.3"], &["10.1.2.4"]),
            ("10.1.2.3/32", &["::ffff:10.1.2.3"], &["10.1.2.4"]),
            ("2001:DB8::/32", &["2001:db8:0:0::1"], &["2001:db9::1"]),
            ("10.1.2.3/8", &["10.9.9.9"], &["11.1.2.3"]),
        ] {
            let network = network(text).expect(text);
            let contains = |it: &&str| network.contains(&address(it).unwrap());
            assert!(inside.iter().all(contains), "{inside:?} in {text}");
            assert!(!outside.iter().any(contains), "{outside:?} not in {text}");
        }
    }

    #[test]
    fn what_is_ambiguous_or_none_is_refused_alike() {
        for bad in
            ["010.1.2.3", "10.01.2.3", "10.1.2", "10.1.2.3.4", "256.1.1.1", " 10.0.0.1", "1::2::3", "", "x"]
        {
            assert_eq!(address(bad), None, "{bad}");
            assert_eq!(network(bad), None, "{bad}");
            assert_eq!(network(&format!("{bad}/8")), None, "{bad}/8");
        }
        for bad in [
            "10.0.0.0/33",
            "10.0.0.0/08",
            "10.0.0.0/+8",
            "10.0.0.0/",
            "10.0.0.0/8/8",
            "2001:db8::/129",
            "::ffff:10.0.0.0/64",
            "::ffff:10.0.0.0/129",
            "10.0.0.0/255.0.0.0",
        ] {
            assert_eq!(network(bad), None, "{bad}");
        }
    }
}
