//! The next step after a store or a service has failed.

#[cfg(feature = "aws")]
use crate::aws::advice::of_call;
use crate::error::Error;
use abx_functions::adapters::embedded::{self, StoreFault};
use abx_functions::ports::PortError;

/// The error for a store or a service that does not answer, or refuses: what happened, where, why, and what to do next.
#[must_use]
pub fn unanswered(error: PortError) -> Error {
    #[cfg(feature = "aws")]
    if let Some(told) = of_call(&error) {
        return told.because(error);
    }
    let told = Error::world(error.to_string());
    let told = match embedded::fault(&error) {
        Some(fault) => told.help(of_file(fault)),
        None if error.is_transient() => told.help(RETRY),
        None => told,
    };
    told.because(error)
}

pub(crate) const RETRY: &str = "run it again: no change was partially applied";

fn of_file(fault: StoreFault) -> &'static str {
    match fault {
        StoreFault::Locked => "another program is writing to it: run it again when that has ended",
        StoreFault::Full => "free some space on its disk and run it again: no change was partially applied",
        StoreFault::ReadOnly | StoreFault::Unopenable => {
            "see the permissions of the file and its folder, and whether its disk can be written; --store names another file"
        }
    }
}
