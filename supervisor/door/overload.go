package door

import "time"

// OverloadConfig is about what is refused to shed load.
type OverloadConfig struct {
	// Startups bounds connections whose client has not said Hello; 64:30:256.
	Startups Startups
	// MaxPerSource is the most connections of one IPv4 address or IPv6 /64; 0 is no limit.
	MaxPerSource int
	// MaxClients is the most open sessions; 0 is no limit.
	MaxClients int
	// InboxMemory bounds the bytes of messages that wait for the journal, of all sessions
	// together; a sixteenth of the memory there is, from 16 MiB to 1 GiB.
	InboxMemory uint64
	// CrashDelay is how long an address must stay away after its connection crashed
	// a handler, and twice as long after each further crash; 1 s. A nanosecond is as
	// good as not at all.
	CrashDelay time.Duration
}

// Startups says how many connections whose client has not said Hello there may be:
// up to Start all are taken, from there on Rate percent are refused, rising evenly
// to 100 percent at Full.
type Startups struct{ Start, Rate, Full int }
