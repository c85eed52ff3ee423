//! Makes the tables in an emulator, as the CDK app makes them in AWS: `tables http://127.0.0.1:4566 [PREFIX]`.

use abx_functions::adapters::aws::{Budget, TableNames, create_tables, dynamodb, emulator};
use std::io::Write as _;
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(endpoint) = arguments.next() else {
        let _ = writeln!(std::io::stderr(), "usage: tables ENDPOINT [PREFIX]");
        return ExitCode::from(2);
    };
    let prefix = arguments.next().unwrap_or_else(|| "abx".to_owned());
    let [catalog, assignments, metrics, marks] =
        ["catalog", "assignments", "metrics", "marks"].map(|table| format!("{prefix}-{table}"));
    let client = dynamodb(&emulator(&endpoint), Budget::PATIENT);
    let names = TableNames { catalog: &catalog, assignments: &assignments, metrics: &metrics, marks: &marks };
    match create_tables(&client, names).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{endpoint}: {error}");
            ExitCode::from(3)
        }
    }
}
