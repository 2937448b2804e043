// Package assertion is what can be asserted of a run, as text: which figures there are, in what unit
// each is written, and how a threshold is read, such as
//
//	p99 < 50ms for 10s abort
//
// Everybody who reads one reads it here: the report's --assert, the configuration of a supervisor,
// a job. Package judge knows what the figures are of a report, and package threshold what those that
// can be watched are of a run that goes on.
package assertion
