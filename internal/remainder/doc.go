// Package remainder is what a supervisor, the report and a client agree on so that the
// rest of a session that was lost can be delivered later, as a session of its own in
// the same run: its id, and the words that say where the lost one ends.
package remainder
