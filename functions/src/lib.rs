//! The deployed functions of `abx`.
