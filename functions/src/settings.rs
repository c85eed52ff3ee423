//! The settings of a function, from its environment. Only the programs in `src/bin` read the environment itself.

use crate::telemetry::Level;
use abx_core::words;
use axum::http::HeaderName;
use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;

/// The path at which a deployed function finds the revision that it was bundled with.
pub const BUNDLED_REVISION: &str = "/var/task/revision.json.gz";

const MAX_TTL_DAYS: u32 = 3650;

words! {
    /// The time at which an exposure is sent to the stream.
    #[derive(Default)]
    pub enum Exposures: "snake_case" {
        /// Never.
        Off,
        /// After the response: no request waits for the stream, and what a dying process holds is lost.
        #[default]
        After,
        /// Before the response: nothing that was answered is lost, and a request takes a round trip longer.
        Sync,
    }
}

words! {
    /// The way in which evaluations of flags are sent to the stream.
    #[derive(Default)]
    pub enum Evaluations: "snake_case" {
        /// Not at all.
        Off,
        /// Counted by flag, variant, reason, revision and minute, and sent as counts every ten seconds: a request for 15 flags would
        /// otherwise put 15 records on the stream.
        #[default]
        Summary,
        /// Each by itself, with its unit: the first of a flag, a variant, a unit and a revision that a process meets.
        Each,
    }
}

words! {
    /// The function that reads its settings: each needs different ones.
    pub enum Function: "snake_case" {
        /// Assigns; needs a table for that.
        Assignment,
        /// Evaluates flags.
        Flags,
        /// Counts events; needs tables and an archive for that.
        Events,
    }
}

/// The settings of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `ABX_CATALOG_TABLE`: the table of revisions.
    pub catalog_table: String,
    /// `ABX_ASSIGNMENTS_TABLE`: the table of assignments; empty for a function that needs none.
    pub assignments_table: String,
    /// `ABX_METRICS_TABLE`: the table of heads, commit logs, counts and quarantine; empty for a function that counts nothing.
    pub metrics_table: String,
    /// `ABX_MARKS_TABLE`: the table of first exposures and conversions; empty for a function that counts nothing.
    pub marks_table: String,
    /// `ABX_ARCHIVE_STREAM`: the Firehose stream of the archive; empty for a function that counts nothing.
    pub archive_stream: String,
    /// `ABX_EVENT_STREAM`: the Kinesis stream, unless exposures are off.
    pub event_stream: Option<String>,
    /// `ABX_EXPOSURES`: `off`, `after` or `sync`; `after` by default.
    pub exposures: Exposures,
    /// `ABX_EVALUATIONS`: `off`, `summary` or `each`; `summary` by default. None are sent where exposures are off.
    pub evaluations: Evaluations,
    /// `ABX_ASSIGNMENT_TTL_DAYS`: how long an assignment lasts; 90 by default.
    pub assignment_ttl_days: u32,
    /// `ABX_CORS_ORIGINS`: the origins whose pages may ask, separated by commas; none by default.
    pub cors_origins: Vec<String>,
    /// `ABX_CORS_HEADERS`: headers that pages may send beside the usual ones, separated by commas; none by default.
    pub cors_headers: Vec<String>,
    /// `ABX_BASE_PATH`: what is taken off the start of every path, as `/experiments`, where a custom domain adds it; empty for
    /// nothing, which is the default.
    pub base_path: String,
    /// `ABX_ENDPOINT_URL`: an emulator instead of AWS.
    pub endpoint_url: Option<String>,
    /// `ABX_BUNDLED_REVISION`: a file that serves while the table cannot be read; by default
    /// [`BUNDLED_REVISION`], where there is one.
    pub bundled_revision: Option<PathBuf>,
    /// `ABX_LOG_LEVEL`: `debug`, `info`, `warn` or `error`; `info` by default.
    pub log_level: Level,
    /// `ABX_CACHE_ASSIGNMENTS`: how many assignments a process remembers; 10,000 by default, some 3 MB.
    pub cache_assignments: NonZeroUsize,
}

/// A variable that is wrong or missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Its name.
    pub name: String,
    /// The problem.
    pub what: String,
    /// An example of a correct value.
    pub example: &'static str,
}

/// Every variable that is wrong or missing; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsError(pub Vec<Problem>);

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of the environment's variables cannot be used:", self.0.len())?;
        for Problem { name, what, example } in &self.0 {
            write!(f, " {name} {what} (for example {name}={example});")?;
        }
        Ok(())
    }
}

impl std::error::Error for SettingsError {}

impl Settings {
    /// Reads the variables of a function; all that is wrong is reported at once. An empty variable counts as missing, and
    /// one that begins with `ABX_` and is not known is a mistake, because it was meant to say something.
    pub fn from_vars(
        function: Function,
        vars: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, SettingsError> {
        let vars = vars.into_iter().filter(|(name, value)| name.starts_with("ABX_") && !value.is_empty());
        let mut reader = VariableReader { vars: vars.collect(), problems: Vec::new() };
        let exposures =
            reader.parse("ABX_EXPOSURES", "after", "is not one of off, after, sync", Exposures::of_word);
        let exposures = exposures.unwrap_or_default();
        let settings = Self {
            catalog_table: reader.required("ABX_CATALOG_TABLE", "abx-catalog"),
            assignments_table: match function {
                Function::Assignment => reader.required("ABX_ASSIGNMENTS_TABLE", "abx-assignments"),
                Function::Flags | Function::Events => {
                    reader.take("ABX_ASSIGNMENTS_TABLE").unwrap_or_default()
                }
            },
            metrics_table: reader.counting(function, "ABX_METRICS_TABLE", "abx-metrics"),
            marks_table: reader.counting(function, "ABX_MARKS_TABLE", "abx-marks"),
            archive_stream: reader.counting(function, "ABX_ARCHIVE_STREAM", "abx-archive"),
            event_stream: match exposures {
                // The event function reads the stream, and Lambda knows which.
                _ if function == Function::Events => reader.take("ABX_EVENT_STREAM"),
                Exposures::Off => reader.take("ABX_EVENT_STREAM"),
                _ => Some(reader.required("ABX_EVENT_STREAM", "abx-events")),
            },
            exposures,
            evaluations: reader
                .parse("ABX_EVALUATIONS", "summary", "is not one of off, summary, each", Evaluations::of_word)
                .unwrap_or_default(),
            assignment_ttl_days: reader.ttl_days(),
            cors_origins: reader.origins(),
            cors_headers: reader.cors_headers(),
            base_path: reader.base_path(),
            endpoint_url: reader.endpoint(),
            bundled_revision: reader.take("ABX_BUNDLED_REVISION").map(PathBuf::from),
            log_level: reader
                .parse("ABX_LOG_LEVEL", "info", "is not one of debug, info, warn, error", level)
                .unwrap_or_default(),
            cache_assignments: reader
                .parse("ABX_CACHE_ASSIGNMENTS", "10000", "is not a whole number above 0", number)
                .unwrap_or(const { NonZeroUsize::new(10_000).unwrap() }),
        };
        reader.finish(settings)
    }
}

/// A number, or `None` for another text.
fn number<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

/// A level in either case: variables have it in lower case, and log lines in upper case.
fn level(word: &str) -> Option<Level> {
    Level::of_word(&word.to_ascii_uppercase())
}

/// Takes variables, and collects what is wrong with them.
struct VariableReader {
    vars: BTreeMap<String, String>,
    problems: Vec<Problem>,
}

impl VariableReader {
    fn take(&mut self, name: &str) -> Option<String> {
        self.vars.remove(name)
    }

    fn problem(&mut self, name: &str, what: impl Into<String>, example: &'static str) {
        self.problems.push(Problem { name: name.to_owned(), what: what.into(), example });
    }

    fn required(&mut self, name: &str, example: &'static str) -> String {
        self.take(name).unwrap_or_else(|| {
            self.problem(name, "is missing", example);
            String::new()
        })
    }

    /// A name that only the event function needs; the others may have it.
    fn counting(&mut self, function: Function, name: &str, example: &'static str) -> String {
        if function == Function::Events {
            self.required(name, example)
        } else {
            self.take(name).unwrap_or_default()
        }
    }

    fn parse<T>(
        &mut self,
        name: &str,
        example: &'static str,
        what: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let value = self.take(name)?;
        let parsed = parse(&value);
        if parsed.is_none() {
            self.problem(name, format!("is {value:?}, which {what}"), example);
        }
        parsed
    }

    fn ttl_days(&mut self) -> u32 {
        let name = "ABX_ASSIGNMENT_TTL_DAYS";
        let days = self.parse(name, "90", "is not a whole number", number).unwrap_or(90);
        if !(1..=MAX_TTL_DAYS).contains(&days) {
            self.problem(name, format!("is {days}, which is not between 1 and {MAX_TTL_DAYS}"), "90");
        }
        days
    }

    fn origins(&mut self) -> Vec<String> {
        let name = "ABX_CORS_ORIGINS";
        let example = "https://shop.example.com,http://localhost:3000";
        let origins = self.list(name);
        for origin in &origins {
            let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
            if origin == "*" {
                self.problem(name, "holds *, which would let every page ask in its visitors' names", example);
            } else if !host.is_some_and(is_host) {
                let what =
                    format!("holds {origin:?}, which is not a scheme and a host, as browsers send them");
                self.problem(name, what, example);
            }
        }
        origins
    }

    /// Texts, separated by commas.
    fn list(&mut self, name: &str) -> Vec<String> {
        let written = self.take(name).unwrap_or_default();
        written.split(',').map(str::trim).filter(|it| !it.is_empty()).map(str::to_owned).collect()
    }

    fn cors_headers(&mut self) -> Vec<String> {
        let name = "ABX_CORS_HEADERS";
        let headers = self.list(name);
        for header in &headers {
            if header == "*" || HeaderName::try_from(header.as_str()).is_err() {
                self.problem(
                    name,
                    format!("holds {header:?}, which is not the name of a header"),
                    "x-tenant,baggage",
                );
            }
        }
        headers.into_iter().map(|header| header.to_ascii_lowercase()).collect()
    }

    /// With a slash before and none behind, however it is written.
    fn base_path(&mut self) -> String {
        let name = "ABX_BASE_PATH";
        let written = self.take(name).unwrap_or_default();
        let path = written.trim_matches('/');
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
        if !path.bytes().all(is_plain) || path.contains("//") {
            self.problem(name, format!("is {written:?}, which is not a path"), "/experiments");
        }
        if path.is_empty() { String::new() } else { format!("/{path}") }
    }

    fn endpoint(&mut self) -> Option<String> {
        let name = "ABX_ENDPOINT_URL";
        let url = self.take(name)?;
        if !(url.starts_with("http://") || url.starts_with("https://")) {
            self.problem(name, format!("is {url:?}, which is not an http URL"), "http://127.0.0.1:4566");
        }
        Some(url)
    }

    fn finish(mut self, settings: Settings) -> Result<Settings, SettingsError> {
        for name in std::mem::take(&mut self.vars).into_keys() {
            self.problem(&name, "is not known", "");
        }
        if self.problems.is_empty() { Ok(settings) } else { Err(SettingsError(self.problems)) }
    }
}

/// A host, perhaps with a port: what an `Origin` header has after the scheme.
fn is_host(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-.:[]".contains(&byte);
    !text.is_empty() && text.bytes().all(allowed) && !text.bytes().any(|byte| byte.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(vars: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        let vars = vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Settings::from_vars(Function::Assignment, vars)
    }

    const NEEDED: [(&str, &str); 3] =
        [("ABX_CATALOG_TABLE", "c"), ("ABX_ASSIGNMENTS_TABLE", "a"), ("ABX_EVENT_STREAM", "e")];

    #[test]
    fn what_is_not_said_has_its_default() {
        let settings = read(&NEEDED).unwrap();
        assert_eq!(settings.exposures, Exposures::After);
        assert_eq!(settings.evaluations, Evaluations::Summary);
        assert_eq!(settings.assignment_ttl_days, 90);
        assert_eq!(settings.log_level, Level::Info);
        assert_eq!(settings.cache_assignments.get(), 10_000);
        assert!(settings.cors_origins.is_empty() && settings.cors_headers.is_empty());
        assert_eq!(settings.base_path, "");
    }

    #[test]
    fn a_base_path_and_headers_are_read_as_people_write_them() {
        for (written, expected) in [("/shop", "/shop"), ("shop/v1/", "/shop/v1"), ("/", "")] {
            let settings = read(&[&NEEDED[..], &[("ABX_BASE_PATH", written)]].concat()).unwrap();
            assert_eq!(settings.base_path, expected, "{written}");
        }
        let settings = read(&[&NEEDED[..], &[("ABX_CORS_HEADERS", "X-Tenant, baggage,")]].concat()).unwrap();
        assert_eq!(settings.cors_headers, ["x-tenant", "baggage"]);
    }

    #[test]
    fn each_function_needs_its_own() {
        let flags =
            [("ABX_CATALOG_TABLE".to_owned(), "c".to_owned()), ("ABX_EXPOSURES".into(), "off".into())];
        let settings = Settings::from_vars(Function::Flags, flags).unwrap();
        assert_eq!(settings.event_stream, None);
        let events = ["ABX_CATALOG_TABLE", "ABX_METRICS_TABLE", "ABX_MARKS_TABLE", "ABX_ARCHIVE_STREAM"];
        let named = |names: &[&str]| {
            names.iter().map(|name| ((*name).to_owned(), "x".to_owned())).collect::<Vec<_>>()
        };
        assert!(Settings::from_vars(Function::Events, named(&events)).is_ok());
        let error = Settings::from_vars(Function::Events, named(&events[..1])).unwrap_err();
        assert_eq!(error.0.len(), 3, "{error}");
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let error = read(&[
            ("ABX_CATALOG_TABLE", ""),
            ("ABX_EXPOSURES", "later"),
            ("ABX_EVALUATIONS", "all"),
            ("ABX_ASSIGNMENT_TTL_DAYS", "0"),
            ("ABX_CORS_ORIGINS", "https://shop.example.com, *, shop.example.com,https://a.example/path"),
            ("ABX_CORS_HEADERS", "*, x-tenant, a b"),
            ("ABX_BASE_PATH", "/a?b"),
            ("ABX_ENDPOINT_URL", "localhost:4566"),
            ("ABX_LOG_LEVEL", "loud"),
            ("ABX_CACHE_ASSIGNMENTS", "0"),
            ("ABX_CACHE_ASSIGNMENT", "1"),
            ("PATH", "/bin"),
        ])
        .unwrap_err();
        let names: Vec<&str> = error.0.iter().map(|problem| &*problem.name).collect();
        let expected = [
            "ABX_EXPOSURES",
            "ABX_CATALOG_TABLE",
            "ABX_ASSIGNMENTS_TABLE",
            "ABX_EVENT_STREAM",
            "ABX_EVALUATIONS",
            "ABX_ASSIGNMENT_TTL_DAYS",
            "ABX_CORS_ORIGINS",
            "ABX_CORS_ORIGINS",
            "ABX_CORS_ORIGINS",
            "ABX_CORS_HEADERS",
            "ABX_CORS_HEADERS",
            "ABX_BASE_PATH",
            "ABX_ENDPOINT_URL",
            "ABX_LOG_LEVEL",
            "ABX_CACHE_ASSIGNMENTS",
            "ABX_CACHE_ASSIGNMENT",
        ];
        assert_eq!(names, expected);
        assert!(error.to_string().contains("ABX_CATALOG_TABLE is missing"), "{error}");
    }
}
