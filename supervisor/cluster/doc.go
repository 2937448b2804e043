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
// jetstream, which joined puts together, for an engine. Every supervisor that joins a run of a name
// (journal.run) serves it. Who joins takes the sessions of its own past number and folds the records for what
// Head does not have. A client that comes with a session of another supervisor is opened, and its session
// is built from its own records; the one that had it is told ErrMoved by its next Append, and lets go of
// that session alone. An active session is detached from the old connection before it is attached.
//
// Joined and open come from Census, about once a second, and the names of other supervisors' clients from
// what their sessions began with. Package members has who is at work, and who takes what one leaves. A
// supervisor whose census says that all have ended seals, asks again, and ends; ErrEnded is an answer, and
// ErrOpen is asked again.
//
// What is missing: a session is built from all its records, and not from Head.State; gathers and stages
// that begin together know the clients of one supervisor; nobody shows the whole of a run while it goes on.
package cluster
