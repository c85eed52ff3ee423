//! Arguments that several commands share.

mod context;
pub mod source;

use crate::error::Error;
use crate::source::Checked;
use crate::stores::StoreArgs;
use abx_core::read::time_of_text;
use abx_functions::ports::RevisionMeta;
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};
use std::time::Duration;

pub use context::{ContextArgs, GivenContext};
pub use source::DocumentSource;

/// Documents, where they are what a command is about.
#[derive(Debug, clap::Args)]
pub struct SourcesArgs {
    /// Documents: files, folders, `-` for standard input, a git revision (main or main:experiments), or a published revision
    /// (@12 or @head)
    #[arg(value_name = "SOURCE", default_value = DOCUMENTS)]
    pub sources: Vec<DocumentSource>,
    #[command(flatten)]
    /// The store of published revisions.
    pub store: StoreArgs,
}

impl SourcesArgs {
    /// Reads and compiles the documents, with all that is wrong in them.
    pub fn check(&self) -> Result<Checked, Error> {
        Ok(DocumentSource::read(&self.sources, &self.store)?.compile())
    }

    /// The same where files that are named alone may refer to others of their folder: these are read, and not checked.
    pub fn check_within_folder(&self) -> Result<Checked, Error> {
        let mut corpus = DocumentSource::read(&self.sources, &self.store)?;
        if let Some(paths) = self.sources.iter().map(DocumentSource::path).collect::<Option<Vec<_>>>() {
            corpus.add_beside(&paths.into_iter().cloned().collect::<Vec<_>>())?;
        }
        Ok(corpus.compile())
    }

    /// Loads and compiles the documents. Those with errors are left out; with none left there is nothing to do.
    pub fn load(&self) -> Result<Checked, Error> {
        load_from(&self.sources, &self.store)
    }
}

/// Documents that answer a question about something else.
#[derive(Debug, clap::Args)]
pub struct FromArg {
    /// Documents: files, folders, a git revision (main or main:experiments), or a published revision (@12 or @head)
    #[arg(long, value_name = "SOURCE", default_value = DOCUMENTS)]
    pub from: Vec<DocumentSource>,
    #[command(flatten)]
    /// The store of published revisions.
    pub store: StoreArgs,
}

impl FromArg {
    /// Loads and compiles the documents. Those with errors are left out; with none left there is nothing to do.
    pub fn load(&self) -> Result<Checked, Error> {
        load_from(&self.from, &self.store)
    }
}

/// The author and the reason of a publish or rollback.
#[derive(Debug, clap::Args)]
pub struct ByArgs {
    /// The reason, for the list of revisions
    #[arg(long, short, value_name = "TEXT", default_value = "")]
    message: String,
    /// The author, for the list of revisions; the user of this machine by default
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

/// The folder of documents, where none is named.
pub const DOCUMENTS: &str = "experiments";

/// The time of a decision.
#[derive(Debug, clap::Args)]
pub struct AtArg {
    /// Decide as of this time, for example 2026-03-01T09:00:00Z or 2026-03-01; now by default
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

/// The number of a published revision: `12` or `@12`.
pub fn revision(text: &str) -> Result<u64, String> {
    let number = text.strip_prefix('@').unwrap_or(text).parse();
    number.map_err(|_| {
        "write the number of a revision, for example 12 or @12; `abx revisions` lists them".to_owned()
    })
}

/// A count of 1 or more: `1000000`, `1_000_000` or `1,000,000`.
pub fn count(text: &str) -> Result<u64, String> {
    let plain: String = text.chars().filter(|c| *c != '_' && *c != ',').collect();
    plain.parse().ok().filter(|it| *it > 0).ok_or_else(|| "write a whole number of 1 or more".to_owned())
}

/// Loads and compiles documents. Those with errors are left out; with none left there is nothing to do. `store` is where published
/// revisions are.
pub fn load_from(sources: &[DocumentSource], store: &StoreArgs) -> Result<Checked, Error> {
    usable(DocumentSource::read(sources, store)?.compile())
}

/// A share from 0 to 1: `0.05` or `5%`.
pub fn share(text: &str) -> Result<f64, String> {
    let share = part(text).ok().filter(|it| (0.0..=1.0).contains(it));
    share.ok_or_else(|| "write a share from 0 to 1, for example 0.05 or 5%".to_owned())
}

/// A probability, or a share of something that is neither nothing nor all of it: `0.05` or `5%`.
pub fn probability(text: &str) -> Result<f64, String> {
    let share = part(text).ok().filter(|it| *it > 0.0 && *it < 1.0);
    share.ok_or_else(|| "write a number between 0 and 1, for example 0.05 or 5%".to_owned())
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
    part.ok_or_else(|| "write a number, for example 0.05 or 5%".to_owned())
}

/// A share that is written as a percentage from 0 to 100, with or without its sign: older options read `5` so.
pub fn percentage(text: &str) -> Result<f64, String> {
    let number = text.trim().trim_end_matches('%').trim_end();
    share(&format!("{number}%")).map_err(|_| "write a number from 0 to 100".to_owned())
}

/// A duration of up to ten years: `20ms`, `1m 30s`, `12h`, `30d`, `2w`; a day has 24 hours.
pub fn duration(text: &str) -> Result<SignedDuration, String> {
    let span = text.parse::<Span>().ok().filter(|span| !span.is_negative());
    let duration = span.and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()).ok());
    // `1.5s` is a duration, and no span.
    let duration = duration.or_else(|| text.parse().ok().filter(|it: &SignedDuration| !it.is_negative()));
    let duration = duration.filter(|it| *it <= SignedDuration::from_hours(24 * 3_660));
    duration
        .ok_or_else(|| "write a duration of up to ten years, for example 20ms, 30s, 12h or 30d".to_owned())
}

/// A duration of up to a day, which a program waits.
pub fn wait(text: &str) -> Result<Duration, String> {
    let short = duration(text).ok().and_then(|it| Duration::try_from(it).ok());
    let short = short.filter(|it| *it <= Duration::from_hours(24));
    short.ok_or_else(|| "write a duration of up to a day, for example 20ms, 30s or 5m".to_owned())
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
        1 => error.help("1 error keeps documents out: see `abx validate`"),
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
        assert_eq!((share("0.5 %"), share("1"), share("0%")), (Ok(0.005), Ok(1.0), Ok(0.0)));
        assert_eq!(probability("0.5 %"), Ok(0.005));
        assert_eq!((part("12.3%"), part("7%"), part("29 %")), (Ok(0.123), Ok(0.07), Ok(0.29)));
        assert_eq!((percentage("5"), percentage(" 99.5 % ")), (Ok(0.05), Ok(0.995)));
        assert!(percentage("101").is_err() && percentage("-1%").is_err() && percentage("NaN").is_err());
        assert!(probability("100%").is_err() && share("NaN").is_err() && part("inf").is_err());
        assert!(share("101%").is_err() && share("-0.1").is_err() && share("5").is_err());
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        assert_eq!(wait("20ms"), Ok(Duration::from_millis(20)));
        assert_eq!(wait("1m 30s"), Ok(Duration::from_secs(90)));
        assert_eq!(wait("1.5s"), Ok(Duration::from_millis(1500)));
        for bad in ["", "20", "-1s", "2 days", "25h", "soon"] {
            assert!(wait(bad).is_err(), "{bad}");
        }
        assert_eq!(duration("30d"), Ok(SignedDuration::from_hours(720)));
        assert_eq!(duration("1.5s"), Ok(SignedDuration::from_millis(1500)));
        for text in ["2026-03-01", "1772323200", "1772323200000", "2026-03-01T01:00:00+01:00"] {
            assert_eq!(
                parse_time(text).map(|time| time.to_string()),
                Ok("2026-03-01T00:00:00Z".to_owned()),
                "{text}"
            );
        }
        assert!(parse_time("2026").is_err() && parse_time("2026-03-01T09:00:00").is_err());
        assert_eq!(duration("2w 12h"), Ok(SignedDuration::from_hours(348)));
        for bad in ["", "30", "-1d", "1 month", "3661d", "soon"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
