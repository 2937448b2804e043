// Package gather decides when the clients of a run that gathers begin to write: when all that are
// expected are ready, or, once the time for that is over, without those that are not. It knows no
// clock, no connection and no journal: whoever owns a Gather tells it what happens, and carries out
// what it decides, once.
//
// As everywhere, a name counts once, and where names are awaited only those count (see package
// attendance). A client that is asked alone to end is not waited for, either. A client that is too old
// to wait has begun by itself, and is not waited for.
package gather
