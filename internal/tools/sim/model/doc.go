// Package model is a discrete-event simulation of a run: clients, supervisors with their handlers, and
// the journal, a file or a cluster of three engine nodes or more. It answers what no machine here can be
// asked: 100 000 clients at 32 supervisors.
//
//	client ──batch──► host: handler and supervisor, on its cores ──► session: gathers while one append is out
//	   ▲                                                                │ a slot of the shard, in order
//	   └──ack──── host ◄────────────────── shard: its leader's cores, two of three logs, its store ◄─┘
//
// Who is let in, when handlers start, and when a client tries again are decided by the product's own
// code (door.Gate, pool.Pace, session.Again), on the simulation's clock. What things cost comes from
// Params, which says for each where it was measured.
//
// Invariants:
//
//   - A seed and Params decide everything: there is no wall clock and no goroutine.
//   - A message is made once, durable once, in order, and acknowledged only then. The simulation stops
//     at the first that is not.
//   - Each session has one append on its way, and who lost it gets nothing more durable.
//
// What it leaves out: the load itself and what it does to a client's machine, reads of the report, TLS,
// lost packets, and supervisors or nodes that come back.
package model
