package words

import "bulkhead/supervisor/report"

// Connected reports whether a session that has no end had a connection at the last.
func Connected(c *report.Client) bool {
	n := len(c.Connections)
	return c.Outcome == report.OutcomeOpen && n > 0 && c.Connections[n-1].DetachedAt == 0
}
