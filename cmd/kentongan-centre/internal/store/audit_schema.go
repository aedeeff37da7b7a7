package store

// auditSchema is what proves the records. The notes are kept as they came, so
// that anybody can verify them again.
const auditSchema = `
-- The public record keys of the devices. The one with until_at 0 is in use.
CREATE TABLE device_key (
	device   TEXT NOT NULL,
	verifier TEXT NOT NULL,            -- note verifier
	how      TEXT NOT NULL,            -- first use, enrolment, replaced
	first_at BIGINT NOT NULL,
	until_at BIGINT NOT NULL DEFAULT 0, -- when another took its place
	PRIMARY KEY (device, verifier)
);

-- The checkpoints that a device signed: of each day the newest.
CREATE TABLE checkpoint (
	lane_id     BIGINT NOT NULL,
	seq         BIGINT NOT NULL,
	hash        TEXT NOT NULL,
	day         BIGINT NOT NULL,       -- of received_at, since 1970
	received_at BIGINT NOT NULL,
	note        TEXT NOT NULL,
	PRIMARY KEY (lane_id, seq)
);

-- The receipts of ours that countersign a checkpoint: of each day the newest.
CREATE TABLE receipt (
	lane_id BIGINT NOT NULL,
	seq     BIGINT NOT NULL,           -- of the checkpoint
	day     BIGINT NOT NULL,
	note    TEXT NOT NULL,
	PRIMARY KEY (lane_id, day)
);

-- What was wrong when it came in: of each lane and fault the first.
CREATE TABLE audit_fault (
	device   TEXT NOT NULL,
	epoch    TEXT NOT NULL,
	lane     TEXT NOT NULL,
	fault    TEXT NOT NULL,            -- chain, content, checkpoint, key
	seq      BIGINT NOT NULL,
	detail   TEXT NOT NULL,
	found_at BIGINT NOT NULL,
	PRIMARY KEY (device, epoch, lane, fault)
);
CREATE INDEX audit_fault_found ON audit_fault (found_at);
`

// rootSchema remembers how far the log of roots had come.
const rootSchema = `
CREATE TABLE root (
	number BIGINT PRIMARY KEY,
	hash   TEXT NOT NULL,
	at     BIGINT NOT NULL
);
`
