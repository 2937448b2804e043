// Package isolation holds the tests of what keeps one client, one handler or one
// bad byte from touching another: they run the real programs as real processes,
// break something, and check what is left.
//
// Every test ends in the same way: the supervisor has exited with the status it
// should, the journal keeps its invariants, report.json follows from the journal,
// and no process, socket or folder of the run is left. Each test finds what it broke
// in the report, with its cause.
//
// The programs are built once for the test binary, with the race detector if the
// test binary has it. BULKHEAD_TEST_ISOLATION=off skips the package.
//
// It does not test what one package promises by itself; those tests are beside the
// package. Nor does it measure speed, as internal/tools/bench does.
package isolation
