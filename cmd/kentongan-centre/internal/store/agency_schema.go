package store

// agencySchema is whose devices and complaints they are, and what people here
// say of alarms that devices need not know.
const agencySchema = `
CREATE TABLE agency (
	id      TEXT PRIMARY KEY,       -- ValidAgency
	name_id TEXT NOT NULL,
	name_en TEXT NOT NULL
);

-- A device that is not here is seen by the province's people only.
CREATE TABLE device_agency (
	device TEXT PRIMARY KEY,        -- may not have been heard of yet
	agency TEXT NOT NULL
);
CREATE INDEX device_agency_agency ON device_agency (agency, device);

-- The routing table: what citizens can complain of, and who takes it.
CREATE TABLE service (
	code    TEXT PRIMARY KEY,       -- service_code of kiosks and of Open311
	agency  TEXT NOT NULL,          -- '' = the kiosk's
	name_id TEXT NOT NULL,
	name_en TEXT NOT NULL,
	public  BIGINT NOT NULL         -- 1 = listed by Open311
);

-- Complaints that somebody passed on to an agency by hand.
CREATE TABLE complaint_agency (
	device TEXT NOT NULL,
	ticket TEXT NOT NULL,
	agency TEXT NOT NULL,
	at_ms  BIGINT NOT NULL,
	who    TEXT NOT NULL,
	PRIMARY KEY (device, ticket)
);

-- Alarms that are shelved (ISA-18.2): put aside by an operator, with a reason,
-- until a time. It holds for the condition, not for one occurrence of it.
CREATE TABLE shelf (
	device    TEXT NOT NULL,
	source    TEXT NOT NULL,
	condition TEXT NOT NULL,
	until_ms  BIGINT NOT NULL,
	at_ms     BIGINT NOT NULL,
	who       TEXT NOT NULL,
	reason    TEXT NOT NULL,
	PRIMARY KEY (device, source, condition)
);
`

// accessSchema is people, how they come in, and what they did. Its queries are
// in the room access.
const accessSchema = `
CREATE TABLE account (
	id         TEXT PRIMARY KEY,    -- random
	name       TEXT NOT NULL UNIQUE, -- what one logs in with
	full_name  TEXT NOT NULL,
	role       TEXT NOT NULL,
	agency     TEXT NOT NULL,       -- '' = the province
	password   TEXT NOT NULL,       -- argon2id in PHC form; '' = none
	disabled   BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	seen_at    BIGINT NOT NULL
);

CREATE TABLE passkey (
	id         TEXT PRIMARY KEY,    -- credential id, base64url
	account    TEXT NOT NULL,
	label      TEXT NOT NULL,
	doc        TEXT NOT NULL,       -- webauthn.Credential, JSON
	created_at BIGINT NOT NULL,
	used_at    BIGINT NOT NULL
);
CREATE INDEX passkey_account ON passkey (account);

CREATE TABLE access_session (
	hash       TEXT PRIMARY KEY,    -- SHA-256 of the token, hex: who reads the database can't come in with it
	account    TEXT NOT NULL,
	kind       TEXT NOT NULL,       -- browser, wall, token, link
	label      TEXT NOT NULL,       -- browser or program
	addr       TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	seen_at    BIGINT NOT NULL,
	ends_at    BIGINT NOT NULL
);
CREATE INDEX access_session_account ON access_session (account);

-- Who saw and did what. Rows are only added; hash chains them.
CREATE TABLE access_log (
	seq     BIGINT PRIMARY KEY,
	at_ms   BIGINT NOT NULL,
	name    TEXT NOT NULL,          -- of the account, at that time
	agency  TEXT NOT NULL,          -- of the account, at that time
	action  TEXT NOT NULL,
	object  TEXT NOT NULL,
	detail  TEXT NOT NULL,
	addr    TEXT NOT NULL,
	outcome TEXT NOT NULL,          -- done, refused
	hash    TEXT NOT NULL           -- SHA-256 of the hash before and of this row, hex
);
CREATE INDEX access_log_at ON access_log (at_ms);
`

// accessLogSchema: a line of the access log names an account by its id, so that the
// account can be erased. Lines that there are go on as they are: their hashes prove
// the names in them.
const accessLogSchema = `
ALTER TABLE access_log ADD COLUMN account TEXT NOT NULL DEFAULT ''; -- id; '' = none, or older than the column
`
