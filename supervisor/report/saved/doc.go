// Package saved reads what a run has left on disk, from the path that an operator gives: its
// report, rebuilt from the journal or as it was written, and whether the journal is whole. It
// changes nothing there, needs no supervisor, and names what a path is that is not a run's.
package saved
