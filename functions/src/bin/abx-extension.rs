//! The extension beside a function of any language. Nothing but the environment is read here; `runtime` says what is done with it.

use std::env;
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    // A variable that is no text is none of ours.
    let vars = env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    abx_functions::runtime::extension(vars).await
}
