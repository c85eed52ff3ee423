//! The deployed functions of `abx`, as a library: what Lambda runs, the command runs too.
//!
//! | module | what happens there |
//! |---|---|
//! | [`ports`] | what the functions need from the world, as traits |
//! | [`adapters`] | who fulfils them: AWS, and one `SQLite` file |
//! | [`catalog`] | documents become a revision, a revision becomes what serves |

pub mod adapters;
pub mod catalog;
pub mod ports;
