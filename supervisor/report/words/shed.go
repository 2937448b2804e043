package words

import "bulkhead/supervisor/report"

// ShedSpan returns when the connections came.
func ShedSpan(s *report.Shed, origin report.Stamp) string {
	first, last := TimeOfDay(origin, s.FirstAt), TimeOfDay(origin, s.LastAt)
	if first == last {
		return "at " + first
	}
	return "from " + first + " to " + last
}
