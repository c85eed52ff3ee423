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
    pub enum Operator: "snake_case" {
        /// The same string, number or boolean.
        #[default]
        Equals,
        /// Another string, number or boolean.
        NotEquals,
        /// One of a list.
        In,
        /// None of a list.
        NotIn,
        /// A greater number.
        GreaterThan,
        /// A number at least as great.
        GreaterOrEqual,
        /// A smaller number.
        LessThan,
        /// A number at most as great.
        LessOrEqual,
        /// A number from the first to the second of a list, both included.
        Between,
        /// A string with this part, or a list with this element.
        Contains,
        /// A string without this part, or a list without this element.
        NotContains,
        /// A string with this start.
        StartsWith,
        /// A string with this end.
        EndsWith,
        /// A string in which a regular expression finds a match.
        Matches,
        /// Any value: the attribute is present and not null.
        Exists,
        /// No value: the attribute is missing or null.
        NotExists,
        /// A string or list that contains at least one of a list.
        ContainsAny,
        /// A string or list that contains all of a list.
        ContainsAll,
        /// A string of so many characters, or a list of so many elements.
        LengthEquals,
        /// A longer string or list.
        LengthGreaterThan,
        /// A string or list at least as long.
        LengthGreaterOrEqual,
        /// A shorter string or list.
        LengthLessThan,
        /// A string or list at most as long.
        LengthLessOrEqual,
        /// An earlier time.
        Before,
        /// This time or a later one.
        After,
        /// A time of day and week: `{start, end, days, zone}`.
        TimeWindow,
        /// The same semantic version.
        SemverEquals,
        /// Another semantic version.
        SemverNotEquals,
        /// A greater semantic version.
        SemverGreaterThan,
        /// A semantic version at least as great.
        SemverGreaterOrEqual,
        /// A smaller semantic version.
        SemverLessThan,
        /// A semantic version at most as great.
        SemverLessOrEqual,
        /// A semantic version in a range, for example `>=1.2, <2`.
        SemverRange,
        /// A place `{lat, lon}` within `{lat, lon, radius_km}`.
        GeoWithin,
        /// An IP address in a network or in one of a list of them (CIDR).
        IpIn,
        /// A share of units from 0 to 100, hashed by a salt of its own.
        Percentage,
    }
}
