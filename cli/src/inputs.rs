//! Arguments that several commands share.

mod context;
pub mod source;

use crate::error::Error;
use crate::source::{Checked, Corpus};
use crate::stores::StoreArgs;
use abx_core::read::time_of_text;
use abx_functions::ports::RevisionMeta;
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};
use std::path::PathBuf;
use std::time::Duration;

pub use context::{ContextArgs, GivenContext};
pub use source::Source;

/// Where the documents are.
#[derive(Debug, clap::Args)]
pub struct FromArg {
    /// Files or folders with the documents; a git revision of them, as main:experiments; or what was published, as
    /// @12 or @head
    #[arg(long, value_name = "SOURCE", default_value = "experiments")]
    pub from: Vec<Source>,
    #[command(flatten)]
    /// Where published revisions are.
    pub store: StoreArgs,
}

impl FromArg {
    /// Loads and compiles the documents, as [`load`].
    pub fn load(&self) -> Result<Checked, Error> {
        load_from(&self.from, &self.store)
    }
}

/// Who publishes or rolls back, and why.
#[derive(Debug, clap::Args)]
pub struct ByArgs {
    /// Why, for the list of revisions
    #[arg(long, short, value_name = "TEXT", default_value = "")]
    message: String,
    /// Who, for the list of revisions; the user of this machine by default
    #[arg(long, value_name = "NAME", env = "USER", default_value = "unknown", hide_env_values = true)]
    author: String,
}

impl ByArgs {
    /// As of now.
    #[must_use]
    pub fn now(&self) -> RevisionMeta {
        RevisionMeta {
            created_at: Timestamp::now(),
            author: self.author.clone(),
            message: self.message.clone(),
        }
    }
}

/// The time of a decision.
#[derive(Debug, clap::Args)]
pub struct AtArg {
    /// Decide as of this time, as 2026-03-01T09:00:00Z or 2026-03-01; now by default
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub at: Option<Timestamp>,
}

impl AtArg {
    /// The time asked for, or the present one.
    pub fn time(&self) -> Timestamp {
        self.at.unwrap_or_else(Timestamp::now)
    }
}

/// A time, as everywhere: `2026-03-01T09:00:00Z`, `2026-03-01`, or a number since 1970.
pub fn parse_time(text: &str) -> Result<Timestamp, String> {
    time_of_text(text)
        .ok_or_else(|| "write it as 2026-03-01T09:00:00Z, or as 2026-03-01 for midnight in UTC".to_owned())
}

/// A count of 1 or more: `1000000`, `1_000_000` or `1,000,000`.
pub fn count(text: &str) -> Result<u64, String> {
    let plain: String = text.chars().filter(|c| *c != '_' && *c != ',').collect();
    plain.parse().ok().filter(|it| *it > 0).ok_or_else(|| "write a whole number of 1 or more".to_owned())
}

/// A share between 0 and 1, exclusive: `0.05` or `5%`.
pub fn share(text: &str) -> Result<f64, String> {
    let share = part(text).ok().filter(|it| *it > 0.0 && *it < 1.0);
    share.ok_or_else(|| "write a number between 0 and 1".to_owned())
}

/// A part of something: `0.05` or `5%`; may be negative or above 1.
pub fn part(text: &str) -> Result<f64, String> {
    let part: Option<f64> = match text.trim().strip_suffix('%').map(str::trim) {
        None => text.trim().parse().ok(),
        // The nearest float to the decimal, where dividing by 100 would round twice.
        Some(percent) if !percent.contains(['e', 'E']) => format!("{percent}e-2").parse().ok(),
        Some(_) => None,
    };
    let part = part.filter(|it| it.is_finite());
    part.ok_or_else(|| "write a number, as 0.05 or 5%".to_owned())
}

/// A percentage from 0 to 100: `5` or `5%`.
pub fn percentage(text: &str) -> Result<f64, String> {
    let number = text.trim().strip_suffix('%').unwrap_or(text).trim().parse().ok();
    number.filter(|it| (0.0..=100.0).contains(it)).ok_or_else(|| "write a number from 0 to 100".to_owned())
}

/// A short time as a person writes it: `20ms`, `1m 30s`; at most a day.
pub fn duration(text: &str) -> Result<Duration, String> {
    let parsed = text.parse::<SignedDuration>().ok().and_then(|it| Duration::try_from(it).ok());
    let short = parsed.filter(|it| *it <= Duration::from_hours(24));
    short.ok_or_else(|| "write a time of up to a day, as 20ms, 30s or 5m".to_owned())
}

/// How long ago, as `30d` or `12h`, up to ten years; a day has 24 hours here.
pub fn age(text: &str) -> Result<SignedDuration, String> {
    let span = text.parse::<Span>().ok().filter(|span| !span.is_negative());
    let age = span.and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()).ok());
    let age = age.filter(|age| *age <= SignedDuration::from_hours(24 * 3_660));
    age.ok_or_else(|| "write how long ago, as 30d, 2w or 12h; up to ten years".to_owned())
}

/// Loads and compiles documents. Those with errors are left out, as everywhere; with none left there is nothing
/// to do.
pub fn load(paths: &[PathBuf]) -> Result<Checked, Error> {
    usable(Corpus::load(paths)?.compile())
}

/// The same from other places than files. `store` is where published revisions are.
pub fn load_from(sources: &[Source], store: &StoreArgs) -> Result<Checked, Error> {
    usable(Source::read(sources, store)?.compile())
}

fn usable(checked: Checked) -> Result<Checked, Error> {
    let is_empty = checked.catalog.experiments().is_empty() && checked.catalog.flags().is_empty();
    if is_empty && checked.errors().next().is_some() {
        return Err(Error::caller("every document has errors").help("see `abx validate`"));
    }
    Ok(checked)
}

/// The error for a key that is not in the catalog.
pub fn unknown_key<'k>(
    kind: &str,
    key: &str,
    known: impl Iterator<Item = &'k str>,
    checked: &Checked,
) -> Error {
    let error = Error::caller(format!("there is no {kind} {key:?}"));
    if let Some(near) = abx_core::finding::did_you_mean(key, known) {
        return error.help(format!("did you mean `{near}`?"));
    }
    match checked.errors().count() {
        0 => error.help("name the folder of the documents"),
        count => error.help(format!("{count} errors keep documents out: see `abx validate`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_people_write_them() {
        assert_eq!(count("1,000_000"), Ok(1_000_000));
        assert!(count("0").is_err() && count("-1").is_err());
        assert_eq!(part("-5%"), Ok(-0.05));
        assert_eq!(share("0.5 %"), Ok(0.005));
        assert_eq!((part("12.3%"), part("7%"), part("29 %")), (Ok(0.123), Ok(0.07), Ok(0.29)));
        assert_eq!((percentage("5"), percentage(" 99.5 % ")), (Ok(5.0), Ok(99.5)));
        assert!(percentage("101").is_err() && percentage("-1%").is_err() && percentage("NaN").is_err());
        assert!(share("100%").is_err() && share("NaN").is_err() && part("inf").is_err());
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        assert_eq!(duration("20ms"), Ok(Duration::from_millis(20)));
        assert_eq!(duration("1m 30s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1500)));
        for bad in ["", "20", "-1s", "2 days", "25h", "soon"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
        assert_eq!(age("30d"), Ok(SignedDuration::from_hours(720)));
        for text in ["2026-03-01", "1772323200", "1772323200000", "2026-03-01T01:00:00+01:00"] {
            assert_eq!(
                parse_time(text).map(|time| time.to_string()),
                Ok("2026-03-01T00:00:00Z".to_owned()),
                "{text}"
            );
        }
        assert!(parse_time("2026").is_err() && parse_time("2026-03-01T09:00:00").is_err());
        assert_eq!(age("2w 12h"), Ok(SignedDuration::from_hours(348)));
        for bad in ["", "30", "-1d", "1 month", "3661d", "soon"] {
            assert!(age(bad).is_err(), "{bad}");
        }
    }
}
