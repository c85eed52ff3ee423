//! `abx bench`: latency and throughput at a given rate, checked against targets.

mod context;
mod cost;
mod enroll;
mod function;
mod gates;
mod http;
mod load;
mod report;
mod schedule;
mod tally;
mod target;
mod template;

use crate::aws::signer::SignArgs;
use crate::error::Error;
use crate::inputs::{ContextArgs, wait};
use crate::report::FormatArg;
use enroll::Enrollment;
use function::Invocation;
use gates::GateArgs;
use http::HttpRequest;
use hyper::Method;
use hyper::header::{HeaderName, HeaderValue};
use load::{BenchRequest, LoadGenerator, Pace};
use schedule::Schedule;
use std::fs;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use target::BenchTarget;
use template::{Template, with_units};

pub use report::BenchReport;

/// Measure the latency of a URL or a function at a given rate, and check it against targets
///
/// Requests are scheduled at fixed times, even if the target is slow, and latency is measured from the scheduled time: a stall
/// counts as users experience it (no coordinated omission). A request that times out counts with its time-out.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  abx bench 'http://localhost:8080/assign?user_id={unit}&experiment_key=checkout_redesign' --rate 2000
  abx bench http://localhost:8080/flags/instant_search --body '{\"user_id\": \"{unit}\"}' --units 50000
  abx bench 'https://ID.lambda-url.eu-central-1.on.aws/flags/instant_search?user_id={unit}'   (a signed request)
  abx bench abx-prod-flags:live --payload '{\"user_id\": \"{unit}\", \"flag_key\": \"instant_search\"}' --tail-log
  abx bench http://localhost:8080/health --rate max --p99 5ms --format json > before.json
  abx bench http://localhost:8080/health --rate max --compare before.json

/assign and functions named assignment are held to P50 20ms and P99 50ms, /flags, /ofrep and flags to 15ms and 40ms,
functions named events to P99 100ms, all of them to fewer than 0.1% errors, unless limits are given; `--rate max` has none.
Exit code 1: a limit is missed, or no request succeeded; an answer of 400 or above is a failure. Exit code 3: no connection.

Requests of /assign and functions named assignment ask without enrolling (`peek`), so that users who do not exist count in no
experiment. Use --enroll, on a stage without real experiments, to measure writing assignments and exposures.

`--rate max` measures the largest throughput: each connection sends its next request as soon as it has an answer. abx itself
reaches at least 70% of the rate of `wrk`; near that limit, measure from several machines.")]
pub struct Args {
    /// A URL, or a function's name (also NAME:ALIAS) or ARN; {unit} in a URL stands for another unit in each request
    target: String,
    /// Requests per second, or max: as many as the connections take
    #[arg(long, value_name = "RATE", default_value = "100", value_parser = parse_rate)]
    rate: Rate,
    #[command(flatten)]
    load: LoadArgs,
    /// Enroll the units of requests to /assign, and count them in the experiments
    #[arg(long)]
    enroll: bool,
    #[command(flatten)]
    context: ContextArgs,
    #[command(flatten)]
    http: HttpArgs,
    #[command(flatten)]
    function: FunctionArgs,
    #[command(flatten)]
    gates: GateArgs,
    /// The JSON report of an earlier run to compare with
    #[arg(long, value_name = "FILE")]
    compare: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) format: FormatArg,
}

/// The load: its duration, and who sends it.
#[derive(Debug, Clone, Copy, clap::Args)]
struct LoadArgs {
    /// The time to measure, for example 30s or 5m
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = wait)]
    duration: Duration,
    /// Raise the rate over this time first, which is not measured
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = wait)]
    ramp: Duration,
    /// Connections, or invocations at the same time; a request that finds none free waits
    #[arg(long, value_name = "N", default_value = "64")]
    connections: NonZero<u16>,
    /// Threads; by default one per core
    #[arg(long, value_name = "N")]
    threads: Option<NonZero<usize>>,
    /// The longest time to wait for an answer
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = wait)]
    timeout: Duration,
    /// The number of units that {unit} stands for, from `user_0` on
    #[arg(long, alias = "user-count", value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    units: u64,
}

impl LoadArgs {
    fn connections(&self) -> usize {
        usize::from(self.connections.get())
    }

    /// The threads that send.
    fn threads(&self) -> usize {
        self.threads.or_else(|| thread::available_parallelism().ok()).map_or(1, NonZero::get)
    }

    /// The planned duration of the run.
    fn length(&self) -> Duration {
        self.ramp + self.duration
    }
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "For a URL")]
struct HttpArgs {
    /// The method; by default GET, and POST with a body
    #[arg(long, value_name = "METHOD")]
    method: Option<Method>,
    /// A header, for example 'Authorization: Bearer x'; may be given several times
    #[arg(long, value_name = "HEADER", value_parser = http::parse_header)]
    header: Vec<(HeaderName, HeaderValue)>,
    /// The body, in which {unit} may stand; @FILE reads a file
    #[arg(long, value_name = "TEXT")]
    body: Option<String>,
    #[command(flatten)]
    signing: SignArgs,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "For a function")]
struct FunctionArgs {
    /// The payload, in which {unit} may stand; @FILE reads a file
    #[arg(long, value_name = "JSON")]
    payload: Option<String>,
    /// The endpoint of an emulator or of `abx dev` instead of AWS; no credentials are needed
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// Read the end of each invocation's log, to tell cold starts apart and to know what is billed
    #[arg(long)]
    tail_log: bool,
    /// The function's memory in MB, for the cost
    #[arg(long, value_name = "MB", default_value_t = 256, value_parser = clap::value_parser!(u32).range(128..=10_240))]
    memory: u32,
}

/// The rate of requests.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Rate {
    PerSecond(f64),
    Max,
}

fn parse_rate(text: &str) -> Result<Rate, String> {
    if text == "max" {
        return Ok(Rate::Max);
    }
    let rate = text.replace(['_', ','], "").parse().ok().filter(|rate| (0.001..=1_000_000.0).contains(rate));
    rate.map(Rate::PerSecond).ok_or_else(|| "write requests per second, for example 2000, or max".to_owned())
}

/// Sends the requests and measures.
pub fn measure(args: &Args) -> Result<BenchReport, Error> {
    if args.load.duration.is_zero() || args.load.timeout.is_zero() {
        return Err(Error::caller("--duration and --timeout must be greater than 0"));
    }
    let target = BenchTarget::parse(&with_units(&args.target))?;
    // Before the run: nobody waits for a minute to learn of a mistyped name.
    let earlier = args.compare.as_deref().map(report::BaselineRun::read).transpose()?;
    let pace = match args.rate {
        Rate::PerSecond(rate) => Pace::Open(Schedule::new(rate, args.load.ramp, args.load.duration)),
        Rate::Max if !args.load.ramp.is_zero() => {
            return Err(Error::caller("--rate max has no ramp").help("leave --ramp away, or give a rate"));
        }
        Rate::Max => Pace::Closed(args.load.duration),
    };
    let (work, enrollment) = args.work(&target)?;
    let measured = LoadGenerator { work, pace, args: args.load }.run()?;
    Ok(BenchReport::new(args, (&target, enrollment), &measured, earlier))
}

impl Args {
    /// The request that is sent, and whether it enrolls its user.
    fn work(&self, target: &BenchTarget) -> Result<(BenchRequest, Option<Enrollment>), Error> {
        let attributes = self.context.read(None)?.attributes;
        match target {
            BenchTarget::Url(url) => {
                let FunctionArgs { payload, endpoint, tail_log, .. } = &self.function;
                if payload.is_some() || endpoint.is_some() || *tail_log {
                    return Err(Error::caller(
                        "--payload, --endpoint and --tail-log are for a function, not for a URL",
                    ));
                }
                let body = self.http.body.as_deref().map(text).transpose()?;
                let method = self.http.method.clone();
                let method = method.unwrap_or(if body.is_some() { Method::POST } else { Method::GET });
                let headers = self.http.header.iter().cloned().collect();
                let (mut url, mut body) = (url.clone(), body.unwrap_or_default());
                if body.is_empty() {
                    context::into_url(&mut url, &attributes);
                } else {
                    context::into_json(&mut body, &attributes, "--body")?;
                }
                let enrollment = enroll::url(&mut url, (&method, &mut body), self.enroll)?;
                let request = HttpRequest::new(&url, (method, &body), headers, self.http.signing)?;
                Ok((BenchRequest::Http(Arc::new(request)), enrollment))
            }
            BenchTarget::Function(name) => {
                let HttpArgs { method, header, body, signing } = &self.http;
                if method.is_some() || body.is_some() || !header.is_empty() || signing.is_given() {
                    return Err(Error::caller(
                        "--method, --header, --body and --sign are for a URL, not for a function",
                    ));
                }
                let payload = self.function.payload.as_deref().map(text).transpose()?;
                let mut payload = payload.unwrap_or_else(|| "{}".to_owned());
                context::into_json(&mut payload, &attributes, "--payload")?;
                let enrollment = enroll::payload(&mut payload, target.product(), self.enroll)?;
                let invocation = Invocation {
                    function: name.clone(),
                    payload: Template::new(&payload),
                    tail_log: self.function.tail_log,
                    endpoint: self.function.endpoint.clone(),
                };
                Ok((BenchRequest::Function(Arc::new(invocation)), enrollment))
            }
        }
    }
}

/// A text, or the content of the file that it names.
fn text(argument: &str) -> Result<String, Error> {
    let text = match argument.strip_prefix('@') {
        Some(file) => {
            &fs::read_to_string(file).map_err(|error| Error::world(file.to_string()).because(error))?
        }
        None => argument,
    };
    Ok(with_units(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_written_by_people() {
        assert_eq!(parse_rate("2_000"), Ok(Rate::PerSecond(2000.0)));
        assert_eq!(parse_rate("0.5"), Ok(Rate::PerSecond(0.5)));
        assert_eq!(parse_rate("max"), Ok(Rate::Max));
        for bad in ["", "0", "-1", "NaN", "inf", "fast"] {
            assert!(parse_rate(bad).is_err(), "{bad}");
        }
    }
}
