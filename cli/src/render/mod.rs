//! How reports look to a person.

pub mod findings;
