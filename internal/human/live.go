package human

import (
	"fmt"
	"strconv"
	"time"
)

// LiveLatency returns a latency in nanoseconds with three digits: "340µs", "1.20ms"; None if
// there is none.
func LiveLatency(nano int64) string {
	if nano <= 0 {
		return None
	}
	return inUnit(time.Duration(significant(uint64(nano))), threeDigits)
}

// LiveSize returns an amount of bytes in decimal units with three digits: "60.0 MB".
func LiveSize(bytes uint64) string { return sized(bytes, threeDigits) }

// LiveMegabytes returns a rate in MB/s without its unit, with one decimal.
func LiveMegabytes(perSecond float64) string { return strconv.FormatFloat(perSecond/1e6, 'f', 1, 64) }

// Clock returns a duration as a clock shows it: "01:12", "1:02:03", "2d 03:04:05".
func Clock(d time.Duration) string {
	s := int64(max(d, 0) / time.Second)
	days, hours, minutes, seconds := s/86400, s/3600%24, s/60%60, s%60
	switch {
	case days > 0:
		return fmt.Sprintf("%dd %02d:%02d:%02d", days, hours, minutes, seconds)
	case hours > 0:
		return fmt.Sprintf("%d:%02d:%02d", hours, minutes, seconds)
	default:
		return fmt.Sprintf("%02d:%02d", minutes, seconds)
	}
}
