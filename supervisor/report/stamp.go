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
