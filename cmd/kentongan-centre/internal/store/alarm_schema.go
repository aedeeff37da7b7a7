package store

// alarmSchema is version 2: alarms, orders and pictures.
const alarmSchema = `
CREATE TABLE alarm (
	device     TEXT NOT NULL,
	id         TEXT NOT NULL,              -- of the occurrence, by the device
	n          INTEGER NOT NULL,           -- the change that this row shows
	told       INTEGER NOT NULL,           -- 1 = doc is of change n, 0 = of an older one or of the set, which has no texts
	source     TEXT NOT NULL,
	condition  TEXT NOT NULL,
	severity   TEXT NOT NULL,
	state      TEXT NOT NULL,
	since_ms   INTEGER NOT NULL,           -- by the device's clock
	raised_at  INTEGER NOT NULL,           -- when we heard of it first
	ended_at   INTEGER NOT NULL DEFAULT 0, -- when we heard that it is over
	doc        TEXT NOT NULL,              -- report.Alarm
	PRIMARY KEY (device, id)
) WITHOUT ROWID;
CREATE INDEX alarm_active ON alarm (device, source) WHERE ended_at = 0;
CREATE INDEX alarm_ended ON alarm (ended_at) WHERE ended_at > 0;

-- The newest state/alarms of a device, and its account.
CREATE TABLE alarm_set (
	device      TEXT PRIMARY KEY,
	ledger      TEXT NOT NULL DEFAULT '',
	n           INTEGER NOT NULL DEFAULT 0,
	ids         TEXT NOT NULL DEFAULT '[]', -- JSON
	whole       INTEGER NOT NULL DEFAULT 0, -- ids are all there are
	raised      INTEGER NOT NULL DEFAULT 0,
	falses      INTEGER NOT NULL DEFAULT 0,
	camera_days REAL NOT NULL DEFAULT 0
) WITHOUT ROWID;

CREATE TABLE orders (
	id         TEXT PRIMARY KEY,
	device     TEXT NOT NULL,
	name       TEXT NOT NULL,
	subject    TEXT NOT NULL,              -- stream or alarm that it is about
	who        TEXT NOT NULL,
	reason     TEXT NOT NULL,
	counter    INTEGER NOT NULL UNIQUE,
	expires_at INTEGER NOT NULL,
	note       BLOB NOT NULL,              -- signed
	asked_at   INTEGER NOT NULL,
	sent_at    INTEGER NOT NULL DEFAULT 0,
	sends      INTEGER NOT NULL DEFAULT 0,
	state      TEXT NOT NULL DEFAULT 'open', -- open, unanswered, or of report.CommandResult
	result     TEXT NOT NULL DEFAULT '',   -- report.CommandResult
	done_at    INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX orders_open ON orders (device) WHERE state = 'open';
CREATE INDEX orders_asked ON orders (asked_at);

-- One row for each picture that we ordered and a device has recorded.
CREATE TABLE picture (
	device     TEXT NOT NULL,
	id         TEXT NOT NULL,              -- of the order
	stream     TEXT NOT NULL,
	taken_ms   INTEGER NOT NULL,           -- by the device's clock
	told_at    INTEGER NOT NULL,
	changed_at INTEGER NOT NULL,           -- newest piece or change of state
	state      TEXT NOT NULL,              -- waiting, whole, damaged, missing, erased, expired
	have       INTEGER NOT NULL DEFAULT 0, -- pieces
	doc        TEXT NOT NULL,              -- report.Snapshot
	data       BLOB,                       -- when whole
	erased_by  TEXT NOT NULL DEFAULT '',
	PRIMARY KEY (device, id)
) WITHOUT ROWID;
CREATE INDEX picture_told ON picture (told_at);

CREATE TABLE picture_piece (
	device TEXT NOT NULL,
	id     TEXT NOT NULL,
	idx    INTEGER NOT NULL,
	at     INTEGER NOT NULL,
	data   BLOB NOT NULL,
	PRIMARY KEY (device, id, idx)
) WITHOUT ROWID;
`

// What Commit runs of alarms, orders and pictures. A change of an alarm that is not
// newer is passed over, but for the texts that a set has not.
const (
	upsertAlarm = `INSERT INTO alarm (device, id, n, told, source, condition, severity, state, since_ms, raised_at, ended_at, doc) VALUES (?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?)
	ON CONFLICT (device, id) DO UPDATE SET n = excluded.n, told = 1, severity = excluded.severity, state = excluded.state, doc = excluded.doc, since_ms = excluded.since_ms,
		ended_at = CASE WHEN excluded.ended_at > 0 AND alarm.ended_at > 0 THEN alarm.ended_at ELSE excluded.ended_at END
	WHERE excluded.n > alarm.n OR excluded.n = alarm.n AND alarm.told = 0`
	lineAlarm = `INSERT INTO alarm (device, id, n, told, source, condition, severity, state, since_ms, raised_at, doc) VALUES (?, ?, ?, 0, ?, ?, ?, ?, ?, ?, ?)
	ON CONFLICT (device, id) DO UPDATE SET n = excluded.n, told = 0, severity = excluded.severity, state = excluded.state, ended_at = 0 WHERE excluded.n > alarm.n`
	selectSet = `SELECT ledger, n, ids, whole FROM alarm_set WHERE device = ?`
	upsertSet = `INSERT INTO alarm_set (device, ledger, n, ids, whole) VALUES (?, ?, ?, ?, ?)
	ON CONFLICT (device) DO UPDATE SET ledger = excluded.ledger, n = excluded.n, ids = excluded.ids, whole = excluded.whole`
	upsertCounts = `INSERT INTO alarm_set (device, raised, falses, camera_days) VALUES (?, ?, ?, ?)
	ON CONFLICT (device) DO UPDATE SET raised = excluded.raised, falses = excluded.falses, camera_days = excluded.camera_days`
	answerOrder   = `UPDATE orders SET state = ?, result = ?, done_at = ? WHERE id = ? AND device = ? AND state IN ('open', 'unanswered')`
	selectOrder   = `SELECT subject FROM orders WHERE id = ? AND device = ? AND name IN ('snapshot', 'logs', 'profile')`
	insertPicture = `INSERT INTO picture (device, id, stream, taken_ms, told_at, changed_at, state, doc) VALUES (?, ?, ?, ?, ?, ?, 'waiting', ?) ON CONFLICT DO NOTHING`
	insertPiece   = `INSERT INTO picture_piece (device, id, idx, at, data) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`
	selectPicture = `SELECT state, doc FROM picture WHERE device = ? AND id = ?`
	selectPieces  = `SELECT idx, data FROM picture_piece WHERE device = ? AND id = ? ORDER BY idx`
	setPicture    = `UPDATE picture SET state = ?, data = ?, have = ?, changed_at = ? WHERE device = ? AND id = ?`
	deletePieces  = `DELETE FROM picture_piece WHERE device = ? AND id = ?`
)
