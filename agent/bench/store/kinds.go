package store

// Raw is the measure that the others are compared with.
const Raw = "raw pwrite + fdatasync"

// Peers are what one would use in place of our spool. rawBytes is how large a
// file Raw preallocates.
func Peers(rawBytes int64) []Kind {
	return []Kind{
		{Name: Raw, Durable: true, How: "fdatasync; no checksum, no recovery: the measure", Ordered: true, Open: openRaw(rawBytes)},
		{Name: "bbolt", Durable: true, How: "fdatasync, two a transaction", Ordered: true, Open: openBolt},
		{Name: "tidwall/wal", Durable: true, How: "fsync; no checksum", Ordered: true, Open: openTidwall},
		{Name: "SQLite WAL FULL", Durable: true, How: "fsync of the WAL", Ordered: true, Open: openSQLite},
		{Name: "hashicorp/raft-wal", Durable: true, How: "fsync", Ordered: true, Open: openRaftWAL},
		{Name: "paho file store", How: "nothing: never synced", Max: maxPaho, Files: true, Open: openPaho},
		{Name: "autopaho file queue", How: "nothing: never synced", Files: true, Open: openAutopaho},
	}
}
