package words

import (
	"bulkhead/internal/human"
	"bulkhead/supervisor/report"
)

// Stamp returns a moment as findings name it.
func Stamp(s report.Stamp) string { return s.UTC().Format("2006-01-02 15:04:05") + " UTC" }

// Signed returns a duration with its sign: "+1h00m00s".
func Signed(nano int64) string {
	if nano < 0 {
		return human.Duration(nano)
	}
	return "+" + human.Duration(nano)
}
