package report

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Seed is the seed of data, any of 64 bits. In JSON it is a string of decimal digits: it is
// no quantity, and a reader whose numbers have 53 bits would make another seed of it. A
// number is read as well, as older reports have it.
type Seed uint64

// MarshalJSON returns the seed as a string.
func (s Seed) MarshalJSON() ([]byte, error) {
	return []byte(`"` + strconv.FormatUint(uint64(s), 10) + `"`), nil
}

// UnmarshalJSON reads a seed.
func (s *Seed) UnmarshalJSON(data []byte) error {
	text := strings.TrimSuffix(strings.TrimPrefix(string(data), `"`), `"`)
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return fmt.Errorf("reading seed %s: %w", data, err)
	}
	*s = Seed(n)
	return nil
}

var (
	_ json.Marshaler   = Seed(0)
	_ json.Unmarshaler = (*Seed)(nil)
)
