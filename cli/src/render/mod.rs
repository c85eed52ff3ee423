//! How reports look to a person.

pub mod numbers;
pub mod steps;
pub mod style;
pub mod table;

pub mod findings;
