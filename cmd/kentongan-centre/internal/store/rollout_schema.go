package store

// rolloutSchema is which version each device runs, what became of releases, and
// rollouts: a release for many devices, in stages.
const rolloutSchema = `
-- What devices say of their versions at each connection; those are not here that
-- manage none.
CREATE TABLE device_firmware (
	device    TEXT PRIMARY KEY,
	number    INTEGER NOT NULL,   -- of the release that runs; 0 = it came from none
	issued_ms INTEGER NOT NULL,   -- by who published it; 0 = not said
	trial     TEXT NOT NULL,      -- trying, committed, went-back, ''
	told_at   INTEGER NOT NULL
) WITHOUT ROWID;

-- The newest step of each release on each device, from the devices' own events.
CREATE TABLE device_update (
	device  TEXT NOT NULL,
	number  INTEGER NOT NULL,     -- 0 = of a release whose number can't be known
	state   TEXT NOT NULL,        -- report.Update.State
	version TEXT NOT NULL,
	code    TEXT NOT NULL,
	detail  TEXT NOT NULL,
	epoch   TEXT NOT NULL,
	seq     INTEGER NOT NULL,     -- of the event
	told_at INTEGER NOT NULL,
	PRIMARY KEY (device, number)
) WITHOUT ROWID;

CREATE TABLE rollout (
	id          INTEGER PRIMARY KEY AUTOINCREMENT,
	agency      TEXT NOT NULL,    -- of who started it; '' = the province
	scope       TEXT NOT NULL,    -- all, agency, found, list
	scope_of    TEXT NOT NULL,    -- the agency, or what was looked for
	url         TEXT NOT NULL,
	number      INTEGER NOT NULL, -- of the release
	stages      TEXT NOT NULL,    -- per cent of the devices, cumulative: 1,10,100
	hours       TEXT NOT NULL,    -- 01:00-04:00 in WIB; '' = any time
	anyhour     INTEGER NOT NULL, -- 1 = also outside the devices' own hours
	soak_ms     INTEGER NOT NULL,
	wait_ms     INTEGER NOT NULL, -- for devices that are offline
	share       INTEGER NOT NULL, -- per cent of a stage that may fail
	failures    INTEGER NOT NULL, -- devices that may fail in all
	at_once     INTEGER NOT NULL, -- devices under way at a time
	who         TEXT NOT NULL,
	reason      TEXT NOT NULL,
	left_out    INTEGER NOT NULL, -- devices that manage no versions
	state       TEXT NOT NULL,    -- running, paused, halted, cancelled, done
	why         TEXT NOT NULL,    -- of that state: share, count, hand, ''
	why_text    TEXT NOT NULL,    -- figures, or what a person said
	why_who     TEXT NOT NULL,
	stage       INTEGER NOT NULL, -- from 1
	stage_at    INTEGER NOT NULL, -- when it began
	well_at     INTEGER NOT NULL, -- since when it has been complete and well; 0 = it is not
	created_at  INTEGER NOT NULL,
	changed_at  INTEGER NOT NULL  -- of the state
);

CREATE TABLE rollout_device (
	rollout    INTEGER NOT NULL,
	device     TEXT NOT NULL,
	stage      INTEGER NOT NULL,  -- 0 = it had the release already
	place      INTEGER NOT NULL,  -- in the order of choice
	state      TEXT NOT NULL,
	code       TEXT NOT NULL,     -- why it failed
	detail     TEXT NOT NULL,
	order_id   TEXT NOT NULL,     -- of the newest order
	ordered_at INTEGER NOT NULL,
	expires_at INTEGER NOT NULL,  -- of that order
	tries      INTEGER NOT NULL,
	changed_at INTEGER NOT NULL,
	counted    INTEGER NOT NULL,  -- 0 = a failure that somebody has taken upon themselves
	live       INTEGER NOT NULL,  -- 1 = no other rollout may have this device
	PRIMARY KEY (rollout, device)
) WITHOUT ROWID;
CREATE UNIQUE INDEX rollout_device_one ON rollout_device (device) WHERE live = 1;
CREATE INDEX rollout_device_device ON rollout_device (device);
`

const (
	upsertFirmware = `INSERT INTO device_firmware (device, number, issued_ms, trial, told_at) VALUES (?, ?, ?, ?, ?)
	ON CONFLICT (device) DO UPDATE SET number = excluded.number, issued_ms = excluded.issued_ms, trial = excluded.trial, told_at = excluded.told_at`
	deleteFirmware = `DELETE FROM device_firmware WHERE device = ?`
	upsertUpdate   = `INSERT INTO device_update (device, number, state, version, code, detail, epoch, seq, told_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
	ON CONFLICT (device, number) DO UPDATE SET state = excluded.state, version = excluded.version, code = excluded.code, detail = excluded.detail,
		epoch = excluded.epoch, seq = excluded.seq, told_at = excluded.told_at
	WHERE device_update.epoch <> excluded.epoch OR device_update.seq < excluded.seq`
)
