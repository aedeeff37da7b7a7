package store

// What Commit runs.
const (
	selectLine      = `SELECT line FROM record WHERE lane_id = ? AND seq = ?`
	insertLane      = `INSERT INTO lane (device, epoch, lane, first, next, top, received, duplicates, conflicts, seen_at) VALUES (?, ?, ?, 1, 1, 0, 0, 0, 0, ?) RETURNING id`
	updateLane      = `UPDATE lane SET first = ?, next = ?, top = ?, received = ?, duplicates = ?, conflicts = ?, seen_at = ? WHERE id = ?`
	selectLane      = `SELECT id, first, next, top, received, duplicates, conflicts, seen_at FROM lane WHERE device = ? AND epoch = ? AND lane = ?`
	countEpochs     = `SELECT count(DISTINCT epoch) FROM lane WHERE device = ?`
	deleteHoles     = `DELETE FROM hole WHERE lane_id = ? AND from_seq = ?`
	insertHole      = `INSERT INTO hole (lane_id, from_seq, to_seq, since_at) VALUES (?, ?, ?, ?) ON CONFLICT (lane_id, from_seq) DO UPDATE SET to_seq = excluded.to_seq`
	selectHoles     = `SELECT from_seq, to_seq FROM hole WHERE lane_id = ? ORDER BY from_seq`
	insertGap       = `INSERT INTO gap (lane_id, from_seq, to_seq, count, reason, told_at) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`
	insertConflict  = `INSERT INTO conflict (lane_id, seq, hash, received_at, line) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`
	countConflicts  = `SELECT count(*) FROM conflict WHERE lane_id = ?`
	insertComplaint = `INSERT INTO complaint (device, lane_id, seq, ticket, category, service, label_id, label_en, line, presses, time_ms, clock, boot, uptime_ms, received_at)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING id`
	upsertBoot = `INSERT INTO boot (device, boot, booted_ms, clock) VALUES (?, ?, ?, ?)
	ON CONFLICT (device, boot) DO UPDATE SET booted_ms = excluded.booted_ms, clock = excluded.clock WHERE boot.clock <> 'synced' OR excluded.clock = 'synced'`
	selectDevice = `SELECT state, session, since_at, first_at, seen_at, birth, site FROM device WHERE id = ?`
	upsertDevice = `INSERT INTO device (id, state, session, since_at, first_at, seen_at, birth, site) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
	ON CONFLICT (id) DO UPDATE SET state = excluded.state, session = excluded.session, since_at = excluded.since_at, seen_at = excluded.seen_at, birth = excluded.birth, site = excluded.site`
	upsertStream = `INSERT INTO stream (device, name, state, class, since_at, doc) VALUES (?, ?, ?, ?, ?, ?)
	ON CONFLICT (device, name) DO UPDATE SET since_at = CASE WHEN stream.state = excluded.state AND stream.class = excluded.class THEN stream.since_at ELSE excluded.since_at END,
		state = excluded.state, class = excluded.class, doc = excluded.doc`
	upsertStats = `INSERT INTO stream (device, name, stats, stats_ms, stats_at) VALUES (?, ?, ?, ?, ?)
	ON CONFLICT (device, name) DO UPDATE SET stats = excluded.stats, stats_ms = excluded.stats_ms, stats_at = excluded.stats_at`
	deleteStream = `DELETE FROM stream WHERE device = ? AND name = ?`
	upsertLn     = `INSERT INTO line (device, name, epoch, seq, state, detail, since_at) VALUES (?, ?, ?, ?, ?, ?, ?)
	ON CONFLICT (device, name) DO UPDATE SET since_at = CASE WHEN line.state = excluded.state THEN line.since_at ELSE excluded.since_at END,
		epoch = excluded.epoch, seq = excluded.seq, state = excluded.state, detail = excluded.detail
	WHERE line.epoch <> excluded.epoch OR line.seq < excluded.seq`
	clearLines = `DELETE FROM line WHERE device = ? AND (epoch <> ? OR seq < ?)`
)
