// Package barrier decides when a stage begins for which clients wait for each other: when all clients
// that have it have come to it, or, once the time for that is over, without those that have not. Like
// package gather it knows no clock, no connection and no journal.
//
// Stages are told apart by their names, as in the report: those of one name in different clients are
// one. A client that has ended, whose load is over, or that was asked alone to end is not waited for;
// nor is one that has begun the stage by itself. One that is not connected is: until the time is over.
package barrier
