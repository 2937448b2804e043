package report

import (
	"fmt"
	"strconv"
	"time"
)

// StampLayout is RFC 3339 in UTC with all nine digits of the nanoseconds.
const StampLayout = "2006-01-02T15:04:05.000000000Z"

// Stamp is a moment in nanoseconds since 1970 UTC, on the clock its field names;
// 0 is none. In JSON it is an RFC 3339 text in UTC, or null.
type Stamp int64

// MarshalJSON writes the moment as RFC 3339 in UTC, or null for none.
func (s Stamp) MarshalJSON() ([]byte, error) {
	if s == 0 {
		return []byte("null"), nil
	}
	return []byte(strconv.Quote(s.UTC().Format(StampLayout))), nil
}

// UnmarshalJSON reads what MarshalJSON writes.
func (s *Stamp) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		*s = 0
		return nil
	}
	text, err := strconv.Unquote(string(data))
	if err != nil {
		return fmt.Errorf("reading time %s: %w", data, err)
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return fmt.Errorf("reading time %s: %w", data, err)
	}
	*s = Stamp(t.UnixNano())
	return nil
}

// UTC returns the moment as a time of day.
func (s Stamp) UTC() time.Time { return time.Unix(0, int64(s)).UTC() }

// Between returns how long after from to is, in nanoseconds; 0 if either is
// missing or to is before from, as after a clock was set back.
func Between(from, to Stamp) int64 {
	if from == 0 || to == 0 || to < from {
		return 0
	}
	return max(int64(to-from), 0)
}

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
