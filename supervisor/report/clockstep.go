package report

// ClockStep says that a wall clock was set.
type ClockStep struct {
	// At is when, to the next message or record, and ByNano how far: less than 0 is back.
	At     Stamp `json:"at"`
	ByNano int64 `json:"by_nano"`
}

const (
	// StepLeast is the least by which a clock is said to have stepped, in nanoseconds:
	// less may be two clocks that were not read in the same instant. A clock that is
	// slewed runs at most 1 in slewMost faster or slower than time.
	StepLeast = int64(250e6)
	SlewMost  = 1000
	// MaxSteps is the most steps of one clock that are kept.
	MaxSteps = 20
	// UnitLeast is how long a clock is watched before its unit is judged.
	UnitLeast = int64(1e9)
)

// ApartMost is how far the times of a client's messages may be from the clock that it
// showed in its Hello, in nanoseconds. Within that a unit is recognized.
const ApartMost = int64(24 * 3600e9)
