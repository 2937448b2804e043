// Package joined is a run on an engine as its supervisor has joined it: the settings of the journal made
// an engine, the checks before a start, a run that is begun or continued, and its export into the folder
// of the run as it ends, which is an ordinary one from then on.
//
//	<run-id>/engine.json   the run is on an engine; the supervisor's name and last number in it
//
// A supervisor that is started again joins with another number. It opens every session without an outcome
// that it had before first, so that nothing of its past self can come any more, and then folds the records.
// Others of the run keep theirs.
package joined
