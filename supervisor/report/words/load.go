package words

import (
	"bulkhead/internal/human"
	"bulkhead/supervisor/report"
)

// LoadOf returns how a load did not reach its end.
func LoadOf(c *report.Client) string {
	switch c.Load {
	case report.LoadWhole:
		return "came to the end of its reserve " + After(c)
	case report.LoadInterrupted:
		if c.StopReason == report.StopDrained && c.DrainedAt == 0 {
			return "was cut short by the drain " + After(c)
		}
		return "was cut short by an operator " + After(c)
	case report.LoadFailed:
		return "could not continue " + After(c)
	default:
		return "did not say that its load reached its end; it lasted " + human.Duration(c.RuntimeNano)
	}
}
