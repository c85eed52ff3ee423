//! `abx bench`: latency and throughput at a given rate, held to limits.

pub use crate::bench::Args;

use crate::bench::{BenchReport, measure};
use crate::command::Execute;
use crate::error::Error;

impl Execute for Args {
    type Report = BenchReport;

    fn execute(&self) -> Result<BenchReport, Error> {
        measure(self)
    }

    fn print(&self, report: &BenchReport) -> String {
        self.format.print(report)
    }
}
