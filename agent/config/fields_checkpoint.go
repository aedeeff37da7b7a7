package config

import "time"

// Checkpoints says how often the device signs what its lanes hold.
type Checkpoints struct {
	Every   time.Duration
	Records int64
}

func (c *Checkpoints) fields() []field {
	return []field{
		duration("every", &c.Every, time.Minute, 24*time.Hour).defaults("1h").
			says("Longest time that a lane which has grown is not signed. What came after the newest signature is held together by hashes alone."),
		integer("records", &c.Records, 1, 1_000_000).defaults("1000").
			says("Records of a lane after which it is signed, whatever the time."),
	}
}
