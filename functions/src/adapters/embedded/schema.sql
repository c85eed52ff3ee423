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
  data          ANY NOT NULL -- JSON text; a blob where it is not even text
) STRICT;

COMMIT;
