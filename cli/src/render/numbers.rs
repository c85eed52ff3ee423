//! Numbers for people.

use jiff::SignedDuration;

/// `1234567` as `1,234,567`.
#[must_use]
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of things: `1 file`, `2 files`, `1,234 files`. The plural of the word ends with an `s`.
#[must_use]
pub fn plural(number: usize, word: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {word}{ending}", count(number as u64))
}

/// A share from 0 to 1 as `12.34 %`.
#[must_use]
pub fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

/// A share from 0 to 1 that a person gave, with the digits that it was given with: `80 %`, `99.5 %`.
#[must_use]
pub fn round_percent(share: f64) -> String {
    format!("{} %", (share * 1e8).round() / 1e6)
}

/// A change from -1 on as `+12.34 %`.
#[must_use]
pub fn change(share: f64) -> String {
    format!("{:+.2} %", share * 100.0)
}

/// A p-value: three digits, and no more zeroes than anybody reads.
#[must_use]
pub fn p_value(p: f64) -> String {
    if p < 1e-300 {
        "p < 1e-300".to_owned()
    } else if p < 0.000_1 {
        format!("p = {p:.1e}")
    } else {
        format!("p = {p:.4}")
    }
}

/// A share of a whole; 0 of nothing.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// A length of time in its largest unit, as `12 s`, `5 min`, `3 h` or `40 days`.
#[must_use]
pub fn span(time: SignedDuration) -> String {
    let seconds = time.as_secs().max(0);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// A bar of up to `width` characters for a share from 0 to 1, to an eighth of a character.
#[must_use]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 8 times the width")]
pub fn bar(share: f64, width: usize) -> String {
    const PARTS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    let wide = u32::try_from(width).unwrap_or(u32::MAX);
    let eighths = (share.clamp(0.0, 1.0) * f64::from(wide) * 8.0).round() as usize;
    let mut bar = "█".repeat(eighths / 8);
    if let Some(part) = PARTS.get(eighths % 8).filter(|part| **part != ' ') {
        bar.push(*part);
    }
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(percent(0.123_456), "12.35 %");
        assert_eq!(change(0.05), "+5.00 %");
        assert_eq!(p_value(0.05), "p = 0.0500");
        assert_eq!(p_value(1e-9), "p = 1.0e-9");
        assert_eq!(p_value(0.0), "p < 1e-300");
        assert_eq!(span(SignedDuration::from_secs(-1)), "0 s");
        assert_eq!(span(SignedDuration::from_secs(3_599)), "59 min");
        assert_eq!(span(SignedDuration::from_hours(47)), "47 h");
        assert_eq!(span(SignedDuration::from_hours(24 * 40)), "40 days");
        assert_eq!(bar(0.5, 4), "██");
        assert_eq!(bar(0.0, 4), "");
        assert_eq!(bar(1.0 / 32.0, 4), "▏");
    }
}
