// Package cluster says what the journal of a run must do so that several supervisors share one run, any
// of them goes on with any session, and one report comes out, the same bytes from every node. It has
// the interface: single implements it on today's file journal, for one supervisor, and jetstream on NATS
// JetStream; patient waits for an engine that is not there; contract has the tests that all pass. Package
// supervisor records through single.
//
// # What holds
//
//   - Fence. Whoever opens a session has it from then on; every log of it that was opened before is told
//     ErrMoved by its next Append, however that is delayed, and nothing of that Append is in the run.
//     No clock and no lease is needed for that.
//   - Exactly once. What Append returned nil for is in the run, once. What it returned ErrUnavailable for
//     is there or not, and the same Append again finds out: it is never there twice.
//   - Head. The newest record of a session has all that another supervisor needs in order to continue:
//     the log is not read for it.
//   - End. After Seal no client is new; a run ends when all sessions have their outcome; what comes
//     later is not of it. Of several who end it one does.
//   - Order. Records has one order, whoever reads. A session's records are in the order in which they were
//     appended. RunStarted is first and RunEnded last, and time never goes back: it counts on the clock of
//     the supervisor that began the run, onto which those of other machines are brought by when they
//     joined. No wall clock of a supervisor decides anything.
//
// # Why not as it was drawn first
//
// The session's first record is in the session and not in the register, so that a register is short
// enough for every supervisor to have it in memory. Open appends a record of its own, the claim, so that
// the fence holds from Open on, and not only from the first Append. The end of a run needs that every
// session has ended: so nothing that was acknowledged can lie behind the end. Times come from the
// clocks that are never set: what a supervisor's wall clock showed is not in the merged journal, so that
// one that steps must become a record, as SupervisorPaused is one.
//
// # What a supervisor does with it
//
// Package supervisor records everything through a Run: through single for a folder, and through patient and
// jetstream, which joined puts together, for an engine. Today one supervisor at a time has a run: who joins a
// run of a name (journal.run) opens all its sessions, and the one that had them is told ErrMoved by its next
// Append, lets go of its clients and ends. It folds the records for what Head does not have.
//
// What several supervisors at work in one run still need, in this order:
//
//   - Who joins takes only the sessions of its own past number. A client that comes with a session of
//     another is opened, and its session is built from its own records, or from Head.State: holder
//     (welcomes, instance, proven), identity, contradictions told, drain of the client alone, and how
//     much of its grace is used; CheckpointSession has the form. An active session is detached from the
//     old connection before it is attached, as journal.Check wants. A session that has moved ends
//     nothing but itself here.
//   - lifecycle: joined and open come from Census, asked once a second, and not from counters in memory;
//     awaited names and the gather need the names of all.
//   - Liveness over the engine's own messages, once a second: who is not heard for 10 s has its sessions
//     opened by the others, by rendezvous hash, as away, and grace begins then.
//   - End: a supervisor whose census says that all have ended seals, asks again, ends, and takes ErrEnded for
//     an answer; ErrOpen goes on. A drain, and the end of it, are told to all.
package cluster
