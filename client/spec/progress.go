package spec

import "time"

// Progress is how far a client's load is.
type Progress struct {
	// Elapsed of Runtime is over; a Runtime of 0 is one that nobody knows.
	Elapsed, Runtime time.Duration
	// BytesPerSecond is over the last few seconds.
	BytesPerSecond float64
	// Bytes, Files and Errors are those of the whole load.
	Bytes, Files, Errors uint64
	// TotalBytes is how much ends the load before its runtime; 0 if nothing does.
	TotalBytes uint64
	// Stage is the name of the stage that the load is in; empty for none.
	Stage string
	// Ending says that the load is over; only workers, messages and files are left to
	// see to. It is told once.
	Ending bool
}
