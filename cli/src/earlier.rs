//! Assignments that a store holds: the functions prefer them to the hash, while their epoch lasts.

use crate::advice::unanswered;
use crate::command::block_on;
use crate::error::Error;
use crate::inputs::{ContextArgs, DocumentSource, FromArg};
use crate::stores::AnyAssignments;
use abx_core::{Experiment, Pin, Subject};
use abx_functions::ports::{AssignmentStore as _, PortError, StoredAssignment};
use clap::parser::ValueSource;
use clap::{ArgMatches, Command, FromArgMatches};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// The sources of a decision of one unit: documents, attributes and stored assignments.
#[derive(Debug, clap::Args)]
pub struct SubjectArgs {
    // Before the store: what is taken of the arguments cannot be asked for again.
    #[command(flatten)]
    earlier: EarlierArgs,
    /// The documents.
    #[command(flatten)]
    pub from: FromArg,
    /// The attributes.
    #[command(flatten)]
    pub context: ContextArgs,
}

impl SubjectArgs {
    /// Reads the assignments of a subject in some experiments, where the command names a store, or documents in one.
    pub fn read_earlier<'c>(
        &self,
        subject: &Subject<'_>,
        experiments: impl IntoIterator<Item = &'c Experiment>,
    ) -> Result<Earlier, Error> {
        self.earlier.read(&self.from, subject, experiments)
    }
}

/// The place of stored assignments.
#[derive(Debug, clap::Args)]
struct EarlierArgs {
    /// The DynamoDB table of stored assignments, which apply as in the function; by default the name of --table with
    /// `assignments` for `catalog`
    #[arg(long, value_name = "NAME", requires = "table")]
    assignments_table: Option<String>,
    #[command(flatten)]
    named: StoreIsNamed,
}

/// True if a store was named on the command line, and is not just the default.
#[derive(Debug, Clone, Copy)]
struct StoreIsNamed(bool);

impl clap::Args for StoreIsNamed {
    fn augment_args(command: Command) -> Command {
        command
    }
    fn augment_args_for_update(command: Command) -> Command {
        command
    }
}

impl FromArgMatches for StoreIsNamed {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let is_named = |id| matches.value_source(id) == Some(ValueSource::CommandLine);
        Ok(Self(is_named("store") || is_named("table")))
    }
    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// The assignments of a subject.
#[derive(Debug, Default)]
pub struct Earlier {
    /// The store that was asked; `None` where none is named.
    pub store: Option<String>,
    /// By the experiment's key and the unit.
    found: BTreeMap<(String, String), StoredAssignment>,
    /// Warnings about them.
    pub hints: Vec<String>,
}

impl EarlierArgs {
    fn read<'c>(
        &self,
        from: &FromArg,
        subject: &Subject<'_>,
        experiments: impl IntoIterator<Item = &'c Experiment>,
    ) -> Result<Earlier, Error> {
        let is_published = from.from.iter().any(|source| matches!(source, DocumentSource::Published(_)));
        if !self.named.0 && !is_published {
            return Ok(Earlier::default());
        }
        let mut keys: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
        for experiment in experiments {
            if let Some(unit) = experiment.unit(subject) {
                keys.entry(unit.into_owned()).or_default().insert(experiment.key());
            }
        }
        let Some(place) = from.store.assignments_place(self.assignments_table.as_deref()) else {
            let hint = "earlier assignments are not asked for: name their table with --assignments-table";
            return Ok(Earlier { hints: vec![hint.to_owned()], ..Earlier::default() });
        };
        let found = block_on(async {
            let store = from.store.open().await?.assignments(&place.name);
            Ok(read_all(&store, &keys).await)
        })?;
        match found {
            Ok(found) => Ok(Earlier { store: Some(place.shown), found, hints: Vec::new() }),
            // Who may read the catalog need not be allowed to read assignments.
            Err(error) if place.is_guess => {
                let name = place.name;
                let hint =
                    format!("earlier assignments are left out, because {name} cannot be read: {error}");
                Ok(Earlier { hints: vec![hint], ..Earlier::default() })
            }
            Err(error) => Err(unanswered(error)),
        }
    }
}

async fn read_all(
    store: &AnyAssignments,
    keys: &BTreeMap<String, BTreeSet<&str>>,
) -> Result<BTreeMap<(String, String), StoredAssignment>, PortError> {
    let mut found = BTreeMap::new();
    for (unit, keys) in keys {
        let keys: Vec<&str> = keys.iter().copied().collect();
        let stored = store.get_many(unit, &keys).await?;
        for (key, stored) in keys.iter().zip(stored) {
            found.extend(stored.map(|stored| (((*key).to_owned(), unit.clone()), stored)));
        }
    }
    Ok(found)
}

impl Earlier {
    /// The assignment of a subject that counts at a time: made before it, and not ended. Its epoch may be another, which the
    /// decision passes over, and an explanation says so.
    #[must_use]
    pub fn pin(&self, experiment: &Experiment, subject: &Subject<'_>, now: Timestamp) -> Option<Pin<'_>> {
        let unit = experiment.unit(subject)?;
        let stored = self.found.get(&(experiment.key().to_owned(), unit.into_owned()))?;
        let counts = stored.assigned_at <= now && !stored.is_expired(now.as_second());
        counts.then_some(Pin { variant: &stored.variant, epoch: stored.epoch })
    }
}
