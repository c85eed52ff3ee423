//! The command `abx`.

use std::process::ExitCode;

fn main() -> ExitCode {
    abx_cli::main()
}
