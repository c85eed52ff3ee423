//! Events of a load, sorted by their times in a temporary database: memory stays flat however many there are.

use crate::error::Error;
use crate::scratch::scratch_database;
use rusqlite::{Connection, Row};

const SCHEMA: &str = "
    CREATE TABLE events (time INTEGER, kind INTEGER, segment INTEGER, ordinal INTEGER, arrived INTEGER, id INTEGER, data BLOB);
    CREATE TABLE ids (id INTEGER PRIMARY KEY, time INTEGER, kind INTEGER, segment INTEGER, ordinal INTEGER);";
const INSERT: &str = "INSERT INTO events (time, kind, segment, ordinal, arrived, id, data) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
/// Of the events with one id the earliest stays, whichever was read first.
const FIRST: &str = "
    INSERT INTO ids (id, time, kind, segment, ordinal) VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT (id) DO UPDATE SET time = excluded.time, kind = excluded.kind, segment = excluded.segment, ordinal = excluded.ordinal
    WHERE (excluded.time, excluded.kind, excluded.segment, excluded.ordinal) < (ids.time, ids.kind, ids.segment, ids.ordinal)";

/// The kind of a recorded record that has no place: it is handed over as it was, and the handler says why it cannot be counted.
pub(super) const UNPLACED: u8 = 2;

/// An event of a file.
#[derive(Debug, Clone)]
pub(super) struct Spooled {
    /// The time of the event, in milliseconds since 1970: events are counted in this order.
    pub(super) time: i64,
    /// Order among events of one time: exposures first. [`UNPLACED`] for what is not an event.
    pub(super) kind: u8,
    /// The number of its segment in the load, and its own in that.
    pub(super) place: (u32, u64),
    /// The time of its arrival on the stream, in milliseconds since 1970.
    pub(super) arrived: i64,
    /// The hash of its id; `None` where its place is all that tells it from others.
    pub(super) id: Option<u64>,
    pub(super) data: Vec<u8>,
}

/// Events, to be read in the order of their times.
#[derive(Debug)]
pub(super) struct Spool(Connection);

impl Spool {
    pub(super) fn new() -> Result<Self, Error> {
        scratch_database(SCHEMA).map(Self).map_err(failed)
    }

    pub(super) fn add(&self, event: &Spooled) -> Result<(), Error> {
        let Spooled { time, kind, place: (segment, ordinal), arrived, id, data } = event;
        let id = id.map(u64::cast_signed);
        let added = self.0.prepare_cached(INSERT).and_then(|mut insert| {
            insert.execute((time, kind, segment, ordinal, arrived, id, data))?;
            if id.is_some() {
                self.0.prepare_cached(FIRST)?.execute((id, time, kind, segment, ordinal))?;
            }
            Ok(())
        });
        added.map_err(failed)
    }

    /// Calls `work` with each event in the order of their times, or of the files; and whether another event with its id stands before it.
    pub(super) async fn each(
        &self,
        as_they_come: bool,
        mut work: impl AsyncFnMut(Spooled, bool) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let order = if as_they_come { "segment, ordinal" } else { "time, kind, segment, ordinal" };
        let is_first = "events.id IS NULL OR (ids.segment, ids.ordinal) = (events.segment, events.ordinal)";
        let sql = format!(
            "SELECT events.time, events.kind, events.segment, events.ordinal, arrived, events.id, data, {is_first}
             FROM events LEFT JOIN ids ON ids.id = events.id
             ORDER BY {}",
            order.split(", ").map(|column| format!("events.{column}")).collect::<Vec<_>>().join(", ")
        );
        let mut statement = self.0.prepare(&sql).map_err(failed)?;
        let mut rows = statement.query([]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let (event, is_first) = read(row).map_err(failed)?;
            work(event, !is_first).await?;
        }
        Ok(())
    }

    /// Hands over the ids of all events that have one, one after another.
    pub(super) fn with_ids<T>(
        &self,
        work: impl FnOnce(&mut dyn Iterator<Item = rusqlite::Result<u64>>) -> T,
    ) -> Result<T, Error> {
        let mut statement = self.0.prepare("SELECT id FROM ids").map_err(failed)?;
        let ids = statement.query_map([], |row| row.get::<_, i64>(0).map(i64::cast_unsigned));
        Ok(work(&mut ids.map_err(failed)?))
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<(Spooled, bool)> {
    let event = Spooled {
        time: row.get(0)?,
        kind: row.get(1)?,
        place: (row.get(2)?, row.get(3)?),
        arrived: row.get(4)?,
        id: row.get::<_, Option<i64>>(5)?.map(i64::cast_unsigned),
        data: row.get(6)?,
    };
    Ok((event, row.get(7)?))
}

fn failed(error: rusqlite::Error) -> Error {
    Error::world("events could not be sorted in a temporary file")
        .because(error)
        .help("TMPDIR names the folder of temporary files; it needs about as much space as the events")
}
