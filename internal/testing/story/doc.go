// Package story tells runs for tests of reports: each call adds records to a journal, as a
// supervisor would have written them, about clients that do what the test tells their actors.
package story
