//! Semantic versions, and ranges of them, both by precedence (Semantic Versioning 2.0, section 11).

use semver::{BuildMetadata, Comparator, Op, Prerelease, Version, VersionReq};
use std::ops::Bound;

/// A semantic version; missing minor and patch numbers are 0, and a leading `v` is passed over, as app stores
/// and tags write them.
pub(crate) fn lenient_version(text: &str) -> Option<Version> {
    let text = without_v(text);
    if let Ok(version) = Version::parse(text) {
        return Some(version);
    }
    let split = text.find(['-', '+']).unwrap_or(text.len());
    let (numbers, rest) = text.split_at_checked(split)?;
    let missing = 2usize.checked_sub(numbers.matches('.').count())?;
    Version::parse(&format!("{numbers}{}{rest}", ".0".repeat(missing))).ok()
}

fn without_v(text: &str) -> &str {
    text.strip_prefix('v').unwrap_or(text)
}

/// An interval of versions, by precedence.
///
/// The grammar is Cargo's: comparators with `,` between them, all of which hold. Unlike there, a pre-release is in the
/// range if it lies between the ends, so that `>=3.1.0` and the operator `semver_greater_or_equal` say the same. What
/// a caret, a tilde or a wildcard leaves open ends before the pre-releases of the next version: `^1.2` is from 1.2.0 up to,
/// and without, 2.0.0-0, which comes before every other 2.0.0.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct VersionRange {
    low: Bound<Version>,
    high: Bound<Version>,
}

impl VersionRange {
    pub(crate) fn parse(text: &str) -> Result<Self, semver::Error> {
        let plain: Vec<String> = text.split(',').map(comparator_without_v).collect();
        let comparators = VersionReq::parse(&plain.join(","))?.comparators;
        let all = Self { low: Bound::Unbounded, high: Bound::Unbounded };
        Ok(comparators.iter().fold(all, |range, comparator| range.narrow(Self::of(comparator))))
    }

    pub(crate) fn contains(&self, version: &Version) -> bool {
        let above = match &self.low {
            Bound::Included(low) => version.cmp_precedence(low).is_ge(),
            Bound::Excluded(low) => version.cmp_precedence(low).is_gt(),
            Bound::Unbounded => true,
        };
        above
            && match &self.high {
                Bound::Included(high) => version.cmp_precedence(high).is_le(),
                Bound::Excluded(high) => version.cmp_precedence(high).is_lt(),
                Bound::Unbounded => true,
            }
    }

    /// Returns true if no version can be in the range.
    pub(crate) fn is_empty(&self) -> bool {
        match (&self.low, &self.high) {
            (Bound::Included(low), Bound::Included(high)) => low.cmp_precedence(high).is_gt(),
            (Bound::Included(low) | Bound::Excluded(low), Bound::Included(high) | Bound::Excluded(high)) => {
                low.cmp_precedence(high).is_ge()
            }
            _ => false,
        }
    }

    /// The interval of one comparator.
    fn of(comparator: &Comparator) -> Self {
        let (least, line_end) = (least(comparator), line_end(comparator));
        let (low, high) = match comparator.op {
            Op::Greater => match comparator.patch {
                Some(_) => (Bound::Excluded(least), Bound::Unbounded),
                None => (line_end.map_or(Bound::Excluded(least), Bound::Included), Bound::Unbounded),
            },
            Op::GreaterEq => (Bound::Included(least), Bound::Unbounded),
            Op::Less => (Bound::Unbounded, Bound::Excluded(least)),
            Op::LessEq => match comparator.patch {
                Some(_) => (Bound::Unbounded, Bound::Included(least)),
                None => (Bound::Unbounded, end(line_end)),
            },
            Op::Tilde => (Bound::Included(least), end(tilde_end(comparator))),
            Op::Caret => (Bound::Included(least), end(caret_end(comparator))),
            _ if comparator.patch.is_some() => (Bound::Included(least.clone()), Bound::Included(least)),
            _ => (Bound::Included(least), end(line_end)),
        };
        Self { low, high }
    }

    fn narrow(self, other: Self) -> Self {
        let is_low = |a: &Version, b: &Version| a.cmp_precedence(b).is_lt();
        Self {
            low: narrower(self.low, other.low, |a, b| is_low(b, a)),
            high: narrower(self.high, other.high, is_low),
        }
    }
}

/// Takes a leading `v` from the version of a comparator, as from a version alone.
fn comparator_without_v(text: &str) -> String {
    let start = text.find(|c: char| !"<>=^~ ".contains(c)).unwrap_or(text.len());
    let (operator, version) = text.split_at_checked(start).unwrap_or((text, ""));
    format!("{operator}{}", without_v(version))
}

fn end(version: Option<Version>) -> Bound<Version> {
    version.map_or(Bound::Unbounded, Bound::Excluded)
}

/// The first of the versions that a comparator names, its missing parts as 0.
fn least(comparator: &Comparator) -> Version {
    let (minor, patch) = (comparator.minor.unwrap_or(0), comparator.patch.unwrap_or(0));
    Version {
        major: comparator.major,
        minor,
        patch,
        pre: comparator.pre.clone(),
        build: BuildMetadata::EMPTY,
    }
}

/// The version before all others of these numbers; `None` beyond the greatest.
fn first(major: Option<u64>, minor: Option<u64>, patch: Option<u64>) -> Option<Version> {
    let pre = Prerelease::new("0").unwrap_or_default();
    Some(Version { major: major?, minor: minor?, patch: patch?, pre, build: BuildMetadata::EMPTY })
}

fn next(number: u64) -> Option<u64> {
    number.checked_add(1)
}

/// The end of the versions that have the parts which are written.
fn line_end(comparator: &Comparator) -> Option<Version> {
    let Comparator { major, minor, patch, .. } = *comparator;
    match (minor, patch) {
        (None, _) => first(next(major), Some(0), Some(0)),
        (Some(minor), None) => first(Some(major), next(minor), Some(0)),
        (Some(minor), Some(patch)) => first(Some(major), Some(minor), next(patch)),
    }
}

fn tilde_end(comparator: &Comparator) -> Option<Version> {
    match comparator.minor {
        None => line_end(comparator),
        Some(minor) => first(Some(comparator.major), next(minor), Some(0)),
    }
}

/// A caret keeps the first part that is not 0.
fn caret_end(comparator: &Comparator) -> Option<Version> {
    match (comparator.major, comparator.minor, comparator.patch) {
        (0, Some(0) | None, _) => line_end(comparator),
        (0, Some(minor), _) => first(Some(0), next(minor), Some(0)),
        (major, ..) => first(next(major), Some(0), Some(0)),
    }
}

/// The bound of two that lets fewer through.
fn narrower(
    a: Bound<Version>,
    b: Bound<Version>,
    is_narrower: impl Fn(&Version, &Version) -> bool,
) -> Bound<Version> {
    let takes_b = match (&a, &b) {
        (Bound::Unbounded, _) => true,
        (_, Bound::Unbounded) => false,
        (Bound::Included(x) | Bound::Excluded(x), Bound::Included(y)) => is_narrower(y, x),
        (Bound::Included(x) | Bound::Excluded(x), Bound::Excluded(y)) => !is_narrower(x, y),
    };
    if takes_b { b } else { a }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn contains(range: &str, version: &str) -> bool {
        let range = VersionRange::parse(range).unwrap_or_else(|error| panic!("{range}: {error}"));
        range.contains(&lenient_version(version).expect(version))
    }

    #[test]
    fn versions_may_lack_parts() {
        assert_eq!(lenient_version("v2.1"), Some(Version::new(2, 1, 0)));
        assert_eq!(lenient_version("3"), Some(Version::new(3, 0, 0)));
        assert_eq!(lenient_version("1.2-beta").map(|it| it.to_string()).as_deref(), Some("1.2.0-beta"));
        for bad in ["", "1.2.3.4", "x", "1..2", "é", "vv1", "1.02"] {
            assert_eq!(lenient_version(bad), None, "{bad}");
        }
    }

    #[test]
    fn ranges_are_intervals() {
        for (range, inside, outside) in [
            (">=3.1.0", &["3.1.0", "3.1.2-beta", "4.0.0-rc.1", "99"][..], &["3.1.0-beta", "3.0.9"][..]),
            (">=3.1.0, <4", &["3.1.2-beta", "4.0.0-rc.1"], &["4", "3.1.0-beta"]),
            ("<2.0.0", &["1.9", "2.0.0-beta"], &["2.0.0"]),
            ("<=2.0.0", &["2.0.0", "2.0.0+build"], &["2.0.1-beta"]),
            (">2.0.0", &["2.0.1-beta", "2.0.1"], &["2.0.0", "2.0.0+build", "2.0.0-beta"]),
            ("=1.2.3", &["1.2.3", "1.2.3+build"], &["1.2.3-beta", "1.2.4"]),
            ("=1.2.3-beta", &["1.2.3-beta"], &["1.2.3"]),
            ("1.0.0", &["1.0.0", "1.9.9", "1.9.9-beta"], &["2.0.0-beta", "2.0.0", "1.0.0-beta"]),
            ("^1.2.3", &["1.2.3", "1.9.0-rc"], &["1.2.2", "1.2.3-rc", "2.0.0-0"]),
            ("^0.2.3", &["0.2.3", "0.2.9"], &["0.3.0-beta", "0.3.0"]),
            ("^0.0.3", &["0.0.3"], &["0.0.4-beta", "0.0.4"]),
            ("^0.0", &["0.0.0", "0.0.9"], &["0.1.0-beta", "0.1.0"]),
            ("^0", &["0.0.1", "0.9"], &["1.0.0-beta", "1"]),
            ("~1.2.3", &["1.2.3", "1.2.9-beta"], &["1.3.0-beta", "1.3.0"]),
            ("~1.2", &["1.2.0", "1.2.9"], &["1.3.0-beta"]),
            ("~1", &["1.0.0", "1.9.9"], &["2.0.0-beta"]),
            ("1.2.*", &["1.2.0", "1.2.9"], &["1.2.0-beta", "1.3.0-beta"]),
            ("1.*", &["1.0.0", "1.9.9"], &["2.0.0-beta"]),
            ("*", &["0.0.0-0", "1.0.0-beta", "9"], &[]),
            ("=1.2", &["1.2.0", "1.2.9"], &["1.3.0-beta", "1.2.0-beta"]),
            (">1.2", &["1.3.0", "1.3.0-beta"], &["1.2.9", "1.2.0"]),
            ("<=1.2", &["1.2.9", "1.0"], &["1.3.0-beta", "1.3.0"]),
            (">=1.2", &["1.2.0"], &["1.2.0-beta"]),
            ("<1.2", &["1.2.0-beta", "1.1.9"], &["1.2.0"]),
            ("v1.2.3", &["1.2.3", "v1.9"], &["2"]),
            (">= v1.2, < v2", &["1.2.0", "1.9"], &["2.0.0"]),
            (
                ">=1.2.0-beta.2, <1.2.0",
                &["1.2.0-beta.2", "1.2.0-beta.10", "1.2.0-rc.1"],
                &["1.2.0-beta.1", "1.2.0"],
            ),
            (">=1.0.0, <1.0.0", &[], &["1.0.0", "0.9", "1.0.1"]),
            (">1.0.0, >=1.0.0, <=2.0.0, <2.0.0", &["1.5.0"], &["1.0.0", "2.0.0"]),
            (">18446744073709551615", &[], &["18446744073709551615.0.0", "1"]),
        ] {
            for version in inside {
                assert!(contains(range, version), "{version} in {range}");
            }
            for version in outside {
                assert!(!contains(range, version), "{version} not in {range}");
            }
        }
        for bad in ["", "y", ">=1.2 <2", "1.2.3.4", ">=1.2,", "||", "=>1", "v"] {
            assert!(VersionRange::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_empty_range_is_known() {
        for (range, expected) in [
            (">=2, <1", true),
            (">1.0.0, <1.0.0", true),
            (">=1.0.0, <1.0.0", true),
            (">=1.0.0, <=1.0.0", false),
            ("^1, >=2.0.0-0", true),
            ("^1, >=1.9", false),
            ("<1", false),
            ("*", false),
        ] {
            assert_eq!(VersionRange::parse(range).unwrap().is_empty(), expected, "{range}");
        }
    }

    fn version() -> impl Strategy<Value = String> {
        let numbers = prop::array::uniform3(0..4u64).prop_map(|[a, b, c]| format!("{a}.{b}.{c}"));
        let pre =
            prop::sample::select(vec!["", "", "-0", "-alpha", "-alpha.1", "-beta.11", "-rc.1", "+build"]);
        (numbers, pre).prop_map(|(numbers, pre)| numbers + pre)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn a_comparator_says_what_the_operator_says(bound in version(), asked in version()) {
            let (low, it) = (lenient_version(&bound).unwrap(), lenient_version(&asked).unwrap());
            let order = it.cmp_precedence(&low);
            let expected = [(">", order.is_gt()), (">=", order.is_ge()), ("<", order.is_lt()),
                ("<=", order.is_le()), ("=", order.is_eq())];
            for (operator, expected) in expected {
                prop_assert_eq!(contains(&format!("{operator}{bound}"), &asked), expected, "{}", operator);
            }
        }

        #[test]
        fn of_releases_the_ranges_are_those_of_cargo(parts in prop::collection::vec(0..4u64, 1..4),
            operator in prop::sample::select(vec!["", "^", "~", "=", ">", ">=", "<", "<="]), asked in prop::array::uniform3(0..5u64)) {
            let bound = parts.iter().map(u64::to_string).collect::<Vec<_>>().join(".");
            let range = format!("{operator}{bound}");
            let version = Version::new(asked[0], asked[1], asked[2]);
            let expected = VersionReq::parse(&range).unwrap().matches(&version);
            prop_assert_eq!(VersionRange::parse(&range).unwrap().contains(&version), expected, "{} in {}", version, range);
        }
    }
}
