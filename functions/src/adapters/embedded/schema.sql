BEGIN IMMEDIATE;

-- Published catalogs. A row is written in one transaction, so it needs no chunks.
CREATE TABLE IF NOT EXISTS revisions (
  revision   INTEGER PRIMARY KEY,
  created_at TEXT NOT NULL, -- RFC 3339
  author     TEXT NOT NULL,
  message    TEXT NOT NULL,
  bytes      INTEGER NOT NULL,
  checksum   TEXT NOT NULL, -- SHA-256 of data, in hexadecimal
  data       BLOB NOT NULL  -- gzip'd JSON
) STRICT;

-- The revision that serves.
CREATE TABLE IF NOT EXISTS head (
  id       INTEGER PRIMARY KEY CHECK (id = 1),
  revision INTEGER NOT NULL REFERENCES revisions (revision)
) STRICT;

-- Every move of the head, in their order.
CREATE TABLE IF NOT EXISTS head_moves (
  number        INTEGER PRIMARY KEY,
  from_revision INTEGER, -- null where none served before
  to_revision   INTEGER NOT NULL REFERENCES revisions (revision),
  moved_at      TEXT NOT NULL, -- RFC 3339
  author        TEXT NOT NULL,
  message       TEXT NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS assignments (
  user_id        TEXT NOT NULL, -- the unit
  experiment_key TEXT NOT NULL,
  variant        TEXT NOT NULL,
  assignment_id  TEXT NOT NULL,
  epoch          INTEGER NOT NULL,
  revision       INTEGER NOT NULL,
  assigned_at    TEXT NOT NULL, -- RFC 3339
  context        TEXT,          -- a JSON object
  ttl            INTEGER NOT NULL, -- when it ends, in seconds since 1970
  PRIMARY KEY (user_id, experiment_key)
) STRICT, WITHOUT ROWID;

-- Exposures and evaluations in the order of their arrival: what the stream is on AWS.
CREATE TABLE IF NOT EXISTS events (
  id            INTEGER PRIMARY KEY AUTOINCREMENT,
  partition_key TEXT NOT NULL,
  arrived       INTEGER NOT NULL, -- milliseconds since 1970
  data          ANY NOT NULL -- JSON text; a blob where it is not even text
) STRICT;

-- How far each shard was counted.
CREATE TABLE IF NOT EXISTS shards (
  shard    TEXT PRIMARY KEY,
  position TEXT NOT NULL, -- of the last record that is in the counts
  commits  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Which records each commit of a shard counted: those from `first` to `last`.
CREATE TABLE IF NOT EXISTS commits (
  shard  TEXT NOT NULL,
  place  TEXT NOT NULL, -- `last` in a form that sorts as positions compare
  number INTEGER NOT NULL, -- how many commits of the shard were before it
  first  TEXT NOT NULL,
  last   TEXT NOT NULL,
  ids    BLOB NOT NULL, -- those of its events, 8 bytes each
  unexposed BLOB NOT NULL DEFAULT x'', -- its conversions of units that were not exposed, 12 bytes each
  ends   INTEGER NOT NULL, -- when it is forgotten, in seconds since 1970
  PRIMARY KEY (shard, place)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS commits_by_end ON commits (ends);

-- What stood here before there was a log: only the ids of the latest commits.
DROP TABLE IF EXISTS ledger;

-- Records that were counted by a redrive.
CREATE TABLE IF NOT EXISTS redriven (
  shard    TEXT NOT NULL,
  record   TEXT NOT NULL, -- its position, in a form that sorts as positions compare
  position TEXT NOT NULL, -- the same as it is written, or how far it is counted
  id       INTEGER,       -- that of its event, hashed
  PRIMARY KEY (shard, record)
) STRICT, WITHOUT ROWID;

-- Who was exposed first, and converted first, by which record; and which record has an event's id.
CREATE TABLE IF NOT EXISTS marks (
  unit     TEXT NOT NULL,
  about    TEXT NOT NULL, -- experiment#epoch, experiment#epoch#metric, or id#hash
  variant  TEXT NOT NULL, -- empty for an id
  at       INTEGER NOT NULL, -- milliseconds since 1970
  shard    TEXT NOT NULL,
  position TEXT NOT NULL,
  PRIMARY KEY (unit, about)
) STRICT, WITHOUT ROWID;

-- The counts. Readers sum over the shards.
CREATE TABLE IF NOT EXISTS counters (
  partition TEXT NOT NULL, -- exp#experiment, or stream
  sort      TEXT NOT NULL, -- hour#shard, or groups#variant#shard
  counter   TEXT NOT NULL,
  amount    TEXT NOT NULL, -- a decimal, exact
  PRIMARY KEY (partition, sort, counter)
) STRICT, WITHOUT ROWID;

-- The stream that the events of this store are on; one row. No other store has it.
CREATE TABLE IF NOT EXISTS stream_name (
  id   INTEGER PRIMARY KEY CHECK (id = 1),
  name TEXT NOT NULL
) STRICT;

-- Records that can never be processed.
CREATE TABLE IF NOT EXISTS quarantine (
  id      TEXT PRIMARY KEY, -- shard:sequence[:sub]
  arrived INTEGER NOT NULL, -- milliseconds since 1970
  reason  TEXT NOT NULL,
  detail  TEXT NOT NULL,
  data    BLOB NOT NULL
) STRICT;

COMMIT;
