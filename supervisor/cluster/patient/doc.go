// Package patient is a cluster.Run for a supervisor, on one whose engine may be out of reach: what is
// not available is tried again until it is, or until GiveUp. So its callers wait, whoever sends to them
// waits, and nothing is acknowledged meanwhile.
//
// A time in which the engine was not there becomes a record at its end: one in which calls failed, or took
// longer than it ever does when all is well. Facts of no session that wait for
// the engine at the same time go there together.
//
// It never returns cluster.ErrUnavailable but after GiveUp, or when the context of a call is done. Who has to
// do without waiting asks Outage.
package patient
