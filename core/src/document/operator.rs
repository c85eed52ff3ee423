//! The operators of conditions.

use super::read::written_words;

/// The subject of a condition that names no attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefaultSubject {
    /// The time of the decision.
    Now,
    /// The unit, hashed.
    Unit,
}

impl Operator {
    /// The subject of a condition without an `attribute`; `None` for an operator that needs one.
    #[must_use]
    pub const fn without_attribute(self) -> Option<DefaultSubject> {
        match self {
            Self::Before | Self::After | Self::TimeWindow => Some(DefaultSubject::Now),
            Self::Percentage => Some(DefaultSubject::Unit),
            Self::Equals
            | Self::NotEquals
            | Self::In
            | Self::NotIn
            | Self::GreaterThan
            | Self::GreaterOrEqual
            | Self::LessThan
            | Self::LessOrEqual
            | Self::Between
            | Self::Contains
            | Self::NotContains
            | Self::StartsWith
            | Self::EndsWith
            | Self::Matches
            | Self::Exists
            | Self::NotExists
            | Self::ContainsAny
            | Self::ContainsAll
            | Self::LengthEquals
            | Self::LengthGreaterThan
            | Self::LengthGreaterOrEqual
            | Self::LengthLessThan
            | Self::LengthLessOrEqual
            | Self::SemverEquals
            | Self::SemverNotEquals
            | Self::SemverGreaterThan
            | Self::SemverGreaterOrEqual
            | Self::SemverLessThan
            | Self::SemverLessOrEqual
            | Self::SemverRange
            | Self::GeoWithin
            | Self::IpIn => None,
        }
    }
}

written_words! {
    /// A comparison of an attribute with a value. A missing or wrongly typed attribute makes every operator
    /// false, except `not_exists`.
    pub enum Operator {
        /// The same string, number or boolean.
        #[default]
        Equals = "equals",
        /// Another string, number or boolean.
        NotEquals = "not_equals",
        /// One of a list.
        In = "in",
        /// None of a list.
        NotIn = "not_in",
        /// A greater number.
        GreaterThan = "greater_than",
        /// A number at least as great.
        GreaterOrEqual = "greater_or_equal",
        /// A smaller number.
        LessThan = "less_than",
        /// A number at most as great.
        LessOrEqual = "less_or_equal",
        /// A number from the first to the second of a list, both included.
        Between = "between",
        /// A string with this part, or a list with this element.
        Contains = "contains",
        /// A string without this part, or a list without this element.
        NotContains = "not_contains",
        /// A string with this start.
        StartsWith = "starts_with",
        /// A string with this end.
        EndsWith = "ends_with",
        /// A string in which a regular expression finds a match.
        Matches = "matches",
        /// Any value: the attribute is present and not null.
        Exists = "exists",
        /// No value: the attribute is missing or null.
        NotExists = "not_exists",
        /// A string or list that contains at least one of a list.
        ContainsAny = "contains_any",
        /// A string or list that contains all of a list.
        ContainsAll = "contains_all",
        /// A string of so many characters, or a list of so many elements.
        LengthEquals = "length_equals",
        /// A longer string or list.
        LengthGreaterThan = "length_greater_than",
        /// A string or list at least as long.
        LengthGreaterOrEqual = "length_greater_or_equal",
        /// A shorter string or list.
        LengthLessThan = "length_less_than",
        /// A string or list at most as long.
        LengthLessOrEqual = "length_less_or_equal",
        /// An earlier time.
        Before = "before",
        /// This time or a later one.
        After = "after",
        /// A time of day and week: `{start, end, days, zone}`.
        TimeWindow = "time_window",
        /// The same semantic version.
        SemverEquals = "semver_equals",
        /// Another semantic version.
        SemverNotEquals = "semver_not_equals",
        /// A greater semantic version.
        SemverGreaterThan = "semver_greater_than",
        /// A semantic version at least as great.
        SemverGreaterOrEqual = "semver_greater_or_equal",
        /// A smaller semantic version.
        SemverLessThan = "semver_less_than",
        /// A semantic version at most as great.
        SemverLessOrEqual = "semver_less_or_equal",
        /// A semantic version in a range, for example `>=1.2, <2`.
        SemverRange = "semver_range",
        /// A place `{lat, lon}` within `{lat, lon, radius_km}`.
        GeoWithin = "geo_within",
        /// An IP address in a network or in one of a list of them (CIDR).
        IpIn = "ip_in",
        /// A share of units from 0 to 100, hashed by a salt of its own.
        Percentage = "percentage",
    }
}
