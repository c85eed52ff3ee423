//! `abx invoke`: one call of a function.

mod report;
mod url;

pub use report::InvokeReport;

use crate::aws::lambda::{client, refused};
use crate::aws::signer::SignArgs;
use crate::command::{Execute, block_on};
use crate::error::Error;
use crate::inputs::{ContextArgs, DocumentSource, GivenContext, load_from};
use crate::report::FormatArg;
use crate::stores::StoreArgs;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::LogType;
use serde_json::{Value, json};
use std::fs;
use std::io;
use std::time::{Duration, Instant};

/// Call a function once, and show its answer
///
/// --unit with --experiment or --flag builds the payload for the assignment or the flag function; --payload gives any other
/// payload. Exit code 1: the function fails, answers with a status of 400 or above or with errors alone, gives
/// records back or refuses some.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  abx invoke abx-prod-assignment --unit user_123 --experiment checkout_redesign --context country=DE
  abx invoke abx-prod-flags:live --unit user_123 --flag instant_search --tail-log
  abx invoke https://ID.lambda-url.eu-central-1.on.aws --unit user_123 --flag instant_search   (a signed request)
  abx invoke abx-prod-events --payload @batch.json
  abx invoke assignment --endpoint http://localhost:8080 --unit u --experiment checkout_redesign   (`abx dev`)

A call of the assignment function enrolls the unit, unless --peek is given.")]
pub struct Args {
    /// The function's name, also with a version or alias (NAME:ALIAS), its ARN or its URL
    function: String,
    /// The payload; @FILE reads a file, - reads standard input
    #[arg(long, value_name = "JSON", conflicts_with_all = ["unit", "about", "context", "context_json", "peek"])]
    payload: Option<String>,
    /// The unit to ask for: its id is sent as `user_id`
    #[arg(long, alias = "user", value_name = "UNIT", requires = "about")]
    unit: Option<String>,
    /// The experiment to get a variant of
    #[arg(long, value_name = "KEY", group = "about", requires = "unit", add = crate::complete::experiments())]
    experiment: Option<String>,
    /// The flag to get a value of
    #[arg(long, value_name = "KEY", group = "about", requires = "unit", conflicts_with = "peek", add = crate::complete::flags())]
    flag: Option<String>,
    /// Do not enroll the unit
    #[arg(long, requires = "experiment")]
    peek: bool,
    #[command(flatten)]
    context: ContextArgs,
    /// Documents that define the types of attributes: files, folders, or a git revision (main or main:experiments)
    #[arg(long, value_name = "SOURCE")]
    from: Option<Vec<DocumentSource>>,
    /// The version or alias
    #[arg(long, value_name = "NAME")]
    qualifier: Option<String>,
    /// The endpoint of an emulator or of `abx dev` instead of AWS; no credentials are needed
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// The longest time to wait for the answer
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = crate::inputs::wait)]
    timeout: Duration,
    /// Show the end of the invocation's log
    #[arg(long)]
    tail_log: bool,
    #[command(flatten)]
    signing: SignArgs,
    #[command(flatten)]
    format: FormatArg,
}

/// The largest payload of a synchronous invocation, in bytes.
const MAX_PAYLOAD: u64 = 6 << 20;

impl Execute for Args {
    type Report = InvokeReport;

    /// Calls the function.
    fn execute(&self) -> Result<InvokeReport, Error> {
        let (text, hints) = self.payload()?;
        let payload = parse("the payload", &text)?;
        if self.function.contains("://") {
            return block_on(async { Ok(url::call(self, text, payload).await?.with_hints(hints)) });
        }
        if self.signing.is_given() {
            return Err(Error::caller(
                "--sign is for a URL: calls of a function by its name are always signed",
            ));
        }
        block_on(async {
            let client = client(&self.function, self.endpoint.as_deref(), self.timeout).await?;
            let call = client
                .invoke()
                .function_name(&self.function)
                .set_qualifier(self.qualifier.clone())
                // The tail is asked for in any case: it says what was billed, and whether the start was a cold one.
                .log_type(LogType::Tail)
                .payload(Blob::new(text));
            let start = Instant::now();
            let output =
                Box::pin(call.send()).await.map_err(|error| refused(&client, &self.function, error))?;
            Ok(InvokeReport::new(&self.function, payload, &output, start.elapsed())
                .with_log(self.tail_log)
                .with_hints(hints))
        })
    }

    fn print(&self, report: &InvokeReport) -> String {
        self.format.print(report)
    }
}

/// Published revisions are those of the default store here.
fn published() -> StoreArgs {
    StoreArgs { store: ".abx/store.sqlite".into(), table: None, endpoint: None }
}

impl Args {
    /// The payload for the function: one that was given is sent unchanged, byte by byte.
    fn payload(&self) -> Result<(String, Vec<String>), Error> {
        let documents = self.from.as_ref().map(|from| load_from(from, &published())).transpose()?;
        let GivenContext { attributes: context, hints } =
            self.context.read(documents.as_ref().map(|documents| documents.catalog.attributes()))?;
        let Some(unit) = &self.unit else {
            if !context.is_empty() {
                let error = Error::caller("attributes belong to a unit");
                return Err(
                    error.help("give --unit with --experiment or --flag, or all of it with --payload")
                );
            }
            let payload = self.payload.as_deref().map_or_else(|| Ok("{}".to_owned()), read)?;
            return Ok((payload, hints));
        };
        let mut payload = json!({"user_id": unit});
        let mut put = |name: &str, value: Value| {
            if let Some(fields) = payload.as_object_mut() {
                fields.insert(name.to_owned(), value);
            }
        };
        if let Some(key) = &self.experiment {
            put("experiment_key", json!(key));
        }
        if let Some(key) = &self.flag {
            put("flag_key", json!(key));
        }
        if !context.is_empty() {
            put("context", Value::Object(context));
        }
        if self.peek {
            put("peek", json!(true));
        }
        Ok((payload.to_string(), hints))
    }
}

/// A payload as it is given: what is no JSON would be refused by Lambda, in words that name no file.
fn read(argument: &str) -> Result<String, Error> {
    let (name, text) = match argument.strip_prefix('@') {
        Some(file) => (file, fs::read_to_string(file)),
        None if argument == "-" => {
            ("<stdin>", io::read_to_string(io::Read::take(io::stdin().lock(), MAX_PAYLOAD + 1)))
        }
        None => ("--payload", Ok(argument.to_owned())),
    };
    let text = text.map_err(|error| Error::world(name.to_string()).because(error))?;
    if text.len() as u64 > MAX_PAYLOAD {
        return Err(Error::caller(format!("{name}: a payload has at most 6 MB")));
    }
    parse(name, &text)?;
    Ok(text)
}

fn parse(name: &str, text: &str) -> Result<Value, Error> {
    serde_json::from_str(text).map_err(|error| {
        Error::caller(name.to_string()).because(error).help("write JSON, or name a file with it as @FILE")
    })
}
