// Package isolation holds the tests of what keeps one client, one handler or one
// bad byte from touching another: they run the real programs as real processes,
// break something, and look at what is left.
//
// Every test ends in the same way: the supervisor has exited with the status it
// should, the journal keeps its invariants, report.json is what the journal says,
// and no process, socket or folder of the run is left. What a test breaks it finds
// again in the report, with its cause.
//
// The programs are built once for the test binary, with the race detector if the
// test binary has it. BULKHEAD_TEST_ISOLATION=off skips the package.
//
// It does not test what one package promises by itself; that is next to the
// package. Nor does it measure: speed is internal/tools/bench's.
package isolation
