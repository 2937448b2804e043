// Package portion divides a rate over the clients of a fleet, by how many consumers each has, and divides
// it again when one of them is gone or comes. The parts of a division are the whole, to the byte. Like
// package barrier it knows no clock, no connection and no journal.
//
// A client that is away for a while keeps its part, as it goes on writing; only when its session has ended,
// or its load, the others get it.
package portion
