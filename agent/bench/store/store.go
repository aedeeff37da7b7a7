// Package store holds the contestants that keep records on a disk: our spool,
// and what one would use in its place. Each is set up as its documentation
// says for durable use, where it can be durable at all.
package store

// Store is one contestant at work.
type Store interface {
	// Write appends the records, atATime together, and returns when the last
	// is as durable as the contestant makes it. atATime 1 waits after each.
	Write(recs []Record, atATime int) error
	// Read returns up to limit of the oldest records as they are stored.
	Read(limit int) ([][]byte, error)
	Close() error
}

// Kind is one contestant.
type Kind struct {
	Name    string
	Durable bool   // it has synced when Write returns, as ours has
	How     string // what Write waits for
	Max     int    // most records that it can hold, 0 for no limit
	Files   bool   // a file for each record
	Ordered bool   // Read gives the order of Write
	Open    func(dir string) (Store, error)
}

// chunks calls f with each group of n records.
func chunks(recs []Record, n int, f func([]Record) error) error {
	for len(recs) > 0 {
		k := min(n, len(recs))
		if err := f(recs[:k]); err != nil {
			return err
		}
		recs = recs[k:]
	}
	return nil
}
