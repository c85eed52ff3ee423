//! How reports look to a person.
