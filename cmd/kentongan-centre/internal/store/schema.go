package store

// recordSchema is the first version.
//
// Times are Unix milliseconds of the centre's clock (…_at) or the device's
// (time_ms). Epochs are their 16 hex digits, as everywhere outside. A record
// keeps the bytes that it came as, so its hash can be computed again.
const recordSchema = `
CREATE TABLE device (
	id          TEXT PRIMARY KEY,
	state       TEXT NOT NULL DEFAULT '',  -- online, offline, '' = never said
	session     TEXT NOT NULL DEFAULT '',  -- of that state
	since_at    INTEGER NOT NULL DEFAULT 0, -- when we heard of that state
	first_at    INTEGER NOT NULL,
	seen_at     INTEGER NOT NULL,          -- last message of any kind
	birth       TEXT NOT NULL DEFAULT ''   -- of the newest report.DeviceState with state online, what we keep of it
) WITHOUT ROWID;

CREATE TABLE lane (
	id         INTEGER PRIMARY KEY,
	device     TEXT NOT NULL,
	epoch      TEXT NOT NULL,
	lane       TEXT NOT NULL,
	first      INTEGER NOT NULL,  -- of the newest head: the device's cursor
	next       INTEGER NOT NULL,  -- of the newest head
	top        INTEGER NOT NULL,  -- highest number held, explained or passed over
	received   INTEGER NOT NULL,  -- records held
	duplicates INTEGER NOT NULL,  -- came again, the same, and were dropped
	conflicts  INTEGER NOT NULL,  -- came again with other content
	seen_at    INTEGER NOT NULL,  -- last batch or head
	UNIQUE (device, epoch, lane)
);

-- What the device sent, one row a record. lane_id stands for device, epoch, lane.
CREATE TABLE record (
	lane_id     INTEGER NOT NULL,
	seq         INTEGER NOT NULL,
	received_at INTEGER NOT NULL,
	kind        TEXT NOT NULL,
	line        BLOB NOT NULL,
	PRIMARY KEY (lane_id, seq)
) WITHOUT ROWID;

-- Ranges that are neither held nor explained.
CREATE TABLE hole (
	lane_id INTEGER NOT NULL,
	from_seq INTEGER NOT NULL,
	to_seq   INTEGER NOT NULL,
	since_at INTEGER NOT NULL,
	PRIMARY KEY (lane_id, from_seq)
) WITHOUT ROWID;

-- Ranges that a gap record of the device explains.
CREATE TABLE gap (
	lane_id  INTEGER NOT NULL,
	from_seq INTEGER NOT NULL,
	to_seq   INTEGER NOT NULL,
	count    INTEGER NOT NULL,
	reason   TEXT NOT NULL,
	told_at  INTEGER NOT NULL,
	PRIMARY KEY (lane_id, from_seq, to_seq)
) WITHOUT ROWID;

-- A number that came again with other content. The first stays in record.
CREATE TABLE conflict (
	lane_id     INTEGER NOT NULL,
	seq         INTEGER NOT NULL,
	hash        BLOB NOT NULL,      -- SHA-256 of line
	received_at INTEGER NOT NULL,
	line        BLOB NOT NULL,
	PRIMARY KEY (lane_id, seq, hash)
) WITHOUT ROWID;

CREATE TABLE complaint (
	id          INTEGER PRIMARY KEY AUTOINCREMENT, -- order of arrival
	device      TEXT NOT NULL,
	lane_id     INTEGER NOT NULL,
	seq         INTEGER NOT NULL,
	ticket      TEXT NOT NULL,      -- normalised where it can be read
	category    TEXT NOT NULL,
	service     TEXT NOT NULL,
	label_id    TEXT NOT NULL,
	label_en    TEXT NOT NULL,
	line        TEXT NOT NULL,
	presses     INTEGER NOT NULL,
	time_ms     INTEGER NOT NULL,
	clock       TEXT NOT NULL,
	boot        TEXT NOT NULL,
	uptime_ms   INTEGER NOT NULL,
	received_at INTEGER NOT NULL,
	UNIQUE (lane_id, seq)
);
CREATE INDEX complaint_ticket ON complaint (ticket);
CREATE INDEX complaint_device ON complaint (device, id);
CREATE INDEX complaint_received ON complaint (received_at);

-- When a boot of a device began, as its clock knew once it was set.
CREATE TABLE boot (
	device      TEXT NOT NULL,
	boot        TEXT NOT NULL,
	booted_ms   INTEGER NOT NULL,
	clock       TEXT NOT NULL,
	PRIMARY KEY (device, boot)
) WITHOUT ROWID;

CREATE TABLE stream (
	device     TEXT NOT NULL,
	name       TEXT NOT NULL,
	state      TEXT NOT NULL DEFAULT '', -- report.StreamState.State
	class      TEXT NOT NULL DEFAULT '',
	since_at   INTEGER NOT NULL DEFAULT 0, -- when we heard of this state
	doc        TEXT NOT NULL DEFAULT '', -- report.StreamState
	stats      TEXT NOT NULL DEFAULT '', -- report.StreamStats
	stats_ms   INTEGER NOT NULL DEFAULT 0, -- the record's time
	stats_at   INTEGER NOT NULL DEFAULT 0,
	PRIMARY KEY (device, name)
) WITHOUT ROWID;

-- Input and output lines that are not well.
CREATE TABLE line (
	device   TEXT NOT NULL,
	name     TEXT NOT NULL,
	epoch    TEXT NOT NULL,
	seq      INTEGER NOT NULL, -- of the event that said so
	state    TEXT NOT NULL,
	detail   TEXT NOT NULL,
	since_at INTEGER NOT NULL,
	PRIMARY KEY (device, name)
) WITHOUT ROWID;
`

// For people who look with the sqlite3 program, or psql.
const (
	recordsSQLite = `
CREATE VIEW records AS
	SELECT l.device, l.epoch, l.lane, r.seq, r.kind,
	       strftime('%Y-%m-%dT%H:%M:%fZ', r.received_at / 1000.0, 'unixepoch') AS received,
	       CAST(r.line AS TEXT) AS line
	FROM record r JOIN lane l ON l.id = r.lane_id;
`
	recordsPostgres = `
CREATE VIEW records AS
	SELECT l.device, l.epoch, l.lane, r.seq, r.kind,
	       to_timestamp(r.received_at / 1000.0) AS received,
	       convert_from(r.line, 'UTF8') AS line
	FROM record r JOIN lane l ON l.id = r.lane_id;
`
)

// siteSchema: a device's site is a column of its own.
const siteSchema = `
ALTER TABLE device ADD COLUMN site TEXT NOT NULL DEFAULT '';
`

// siteOfOld fills it; no PostgreSQL database is older than the column.
const siteOfOld = `
UPDATE device SET site = coalesce(json_extract(birth, '$.site'), '') WHERE birth <> '';
`

// countSchema: the first page counts streams by their state, and does not have to
// read what they say.
const countSchema = `
CREATE INDEX stream_state ON stream (device, state);
`

// ticketIndexSchema: each press is looked for by its ticket and device, also where
// many devices say the same ticket.
const ticketIndexSchema = `
DROP INDEX complaint_ticket;
CREATE INDEX complaint_ticket ON complaint (ticket, device);
`
