package value

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Startups bounds connections that have not introduced themselves, in the manner of
// sshd's MaxStartups.
type Startups struct {
	// Start is up to how many all are taken.
	Start int
	// Rate is the percentage that is refused from Start on; it rises evenly to 100
	// at Full.
	Rate int
	// Full is from how many on all are refused.
	Full int
}

// maxStartups is the largest Startups.Full.
const maxStartups = 65_536

// String returns s as it is written in a configuration.
func (s Startups) String() string {
	return fmt.Sprintf("%d:%d:%d", s.Start, s.Rate, s.Full)
}

// ParseStartups reads START:RATE:FULL.
func ParseStartups(text string) (Startups, error) {
	s, err := splitStartups(text)
	if err != nil {
		err = fmt.Errorf("%s %w", Quote(text), err)
	}
	return s, err
}

// splitStartups does what ParseStartups does. Its errors continue a sentence that begins
// with the text.
func splitStartups(text string) (Startups, error) {
	parts := strings.Split(text, ":")
	numbers := make([]int, 0, 3)
	for _, p := range parts {
		if n, err := strconv.ParseUint(p, 10, 31); err == nil {
			numbers = append(numbers, int(n))
		}
	}
	if len(parts) != 3 || len(numbers) != 3 {
		return Startups{}, errors.New("is not START:RATE:FULL; use three numbers, as in 64:30:256")
	}
	s := Startups{Start: numbers[0], Rate: numbers[1], Full: numbers[2]}
	switch {
	case s.Rate < 1 || s.Rate > 100:
		return Startups{}, fmt.Errorf("refuses %d percent; use 1 to 100", s.Rate)
	case s.Start < 1 || s.Full < s.Start || s.Full > maxStartups:
		return Startups{}, fmt.Errorf("is out of order or range; use 1 ≤ START ≤ FULL ≤ %d", maxStartups)
	}
	return s, nil
}
