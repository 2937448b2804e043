// Package lock locks the process that calls it in, layer by layer, as package sandbox says.
//
// Each layer has a file. None can be taken back, and each holds for all threads: those that a
// process has are all that it will have, so it makes its spare ones first. A layer that the
// kernel refuses is named; the others are put up all the same.
//
// The tables of the filter are made from package filter by TestPrograms, ahead of time: to
// compile them would take a third of a millisecond of every start.
package lock
