// Package web serves a running supervisor over HTTP: a page that fills in as the run
// goes, its data as JSON, metrics for Prometheus, and the two questions of a service
// manager.
//
// It only looks. It changes nothing of a run and never makes one wait:
//
//	journal files ──read──► folding (one goroutine) ──► /api/report
//	Source.Status ──once a second──► hub (one goroutine) ──newest only──► /events, each with a write deadline
//
// The report so far is folded from the journal's files as they grow, not from what the
// processors hand over: there is no queue that could fill up, and after a restart or an
// upgrade of the supervisor it is the same again. Events are encoded once for all who
// listen; who reads slowly gets fewer of them, and who reads nothing is dropped.
//
// Everybody who can connect may see everything, so the address is the fence: a loopback
// address unless the operator chose another. Requests change nothing; pages of other
// sites cannot read along (see guard.go).
package web
