// Package stories holds the tests of the rooms of a report together: the journal of a run is
// told as a story (internal/testing/story), folded, judged and rendered, and the outcome is
// held against golden files, against the documentation, and against what must follow.
package stories
