// Package story tells runs for tests of reports: each call adds records to a journal, as a
// supervisor would have written them, of clients that do what an actor is told to do.
package story
