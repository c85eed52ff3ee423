//! Rule tests: who must get what, decided by the code that decides.
//!
//! A test may say in which bucket its unit falls, because a test of a threshold should not need a unit whose hash happens
//! to lie beside it. The evaluation asks its trace where a unit falls; the trace of a decision that counts asks the hash,
//! and that of a test what the test says. So there is one evaluation, and nothing is added to the one that counts. (Units
//! could be generated until one falls right; two buckets at once would take 10^12 of them.)
//!
//! | file | what it is |
//! |---|---|
//! | `case` | a compiled case, and what came of it |
//! | `clock` | whether what comes of a case depends on when it runs |
//! | `watch` | the trace that puts units into buckets and remembers what was asked |
//! | `coverage` | what of an experiment or flag the cases have reached |

mod case;
mod clock;
mod coverage;
mod watch;

pub use case::{Case, CaseOutcome, Difference, Exception, Expect, Suite, TestSubject};
pub use coverage::{Coverage, CoveragePart, CoverageTarget};
pub use watch::{Buckets, Rehearsal};
