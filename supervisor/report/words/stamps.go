package words

import (
	"bulkhead/internal/human"
	"bulkhead/supervisor/report"
)

// Offset returns how long after origin a moment is: "+4.81s".
func Offset(origin, at report.Stamp) string {
	if origin == 0 || at == 0 {
		return human.None
	}
	if at < origin {
		return human.Duration(int64(at - origin))
	}
	return "+" + human.Duration(int64(at-origin))
}

// TimeOfDay returns a moment in UTC to the millisecond, with its date if that is
// not the date of origin.
func TimeOfDay(origin, at report.Stamp) string {
	if at == 0 {
		return human.None
	}
	const layout = "15:04:05.000"
	if y, m, d := at.UTC().Date(); origin != 0 {
		oy, om, od := origin.UTC().Date()
		if y == oy && m == om && d == od {
			return at.UTC().Format(layout)
		}
	}
	return at.UTC().Format("2006-01-02 " + layout)
}

// Stamp returns a moment as findings name it.
func Stamp(s report.Stamp) string { return s.UTC().Format("2006-01-02 15:04:05") + " UTC" }

// Signed returns a duration with its sign: "+1h00m00s".
func Signed(nano int64) string {
	if nano < 0 {
		return human.Duration(nano)
	}
	return "+" + human.Duration(nano)
}
