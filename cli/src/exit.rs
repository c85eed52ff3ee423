//! Exit codes, which are part of the interface.

/// Done.
pub const DONE: Exit = Exit(0);
/// Done, with findings: invalid documents, an imbalance, a missed budget.
pub const FINDINGS: Exit = Exit(1);
/// The caller must change something: arguments, or what they name.
pub const CALLER: Exit = Exit(2);
/// The world must: a file, the network, AWS.
pub const WORLD: Exit = Exit(3);
/// A bug in `abx`.
pub const BUG: Exit = Exit(70);
/// Interrupted.
pub const INTERRUPTED: Exit = Exit(130);

/// An exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit(u8);

impl Exit {
    /// The code, as the shell sees it.
    #[must_use]
    pub const fn code(self) -> u8 {
        self.0
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        exit.0.into()
    }
}
