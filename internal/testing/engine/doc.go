// Package engine starts real nats-server processes for tests: three nodes of a JetStream cluster on
// loopback, each with a temp folder of its own, which a test kills, stops, continues and starts again.
//
// The program is built from the Go module proxy, pinned by the module in server/, whose go.sum is
// checked; nothing of it is in the product's go.mod. It is built once and kept in the user's cache
// folder. Where it cannot be built the test fails, with one line: it is never skipped.
//
// Nothing outlives a test: each process is killed at the test's end, and by the kernel when the test's
// process ends in any other way.
package engine
