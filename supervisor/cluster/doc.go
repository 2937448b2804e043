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
// # What the wiring has to change
//
// In package supervisor, and in this order; today's file journal becomes a Run with one supervisor.
//
//   - run.record: sessions append through their Log, everything else through Note. ErrFailed ends the run.
//     ErrMoved drops the session's link, with addresses to try, and retires its processor without an
//     outcome. ErrUnavailable keeps what was gathered and tries it again, which is patient's; the inbox
//     fills meanwhile, which is back-pressure. recordEach, which leaves records out that the journal
//     refuses, goes by ErrRefused.
//   - processor: batches, step, records.go and owe append together what belongs together, with the Head
//     behind it: durable, phase, connection, attaches and poison are fields of the processor already.
//     Head.State takes what recovery.Session has beside them and a successor cannot do without: holder
//     (welcomes, instance, proven), identity, contradictions told, drain of the client alone, and how much
//     of its grace is used; CheckpointSession has the form. Totals, latencies and digests are of live
//     figures and of contradictions: a successor begins them anew, or folds the session's records.
//   - attachRecord: who takes an active session from another appends SessionDetached for the old
//     connection before its SessionAttached, as journal.Check wants.
//   - processor.connected compares connection numbers to tell an old link from a new one; across
//     supervisors only Head.Connection, as found by Open, says which is the session's.
//   - session numbers come from Head.Session, not from len(order)+1; run.order is by arrival. Connection
//     numbers come from Run.Connection. The roster and the handlers' records hold them as they are: they
//     fit into 53 bits.
//   - lifecycle: expected, joined and open come from Census, asked once a second by the coordinator, and
//     not from counters in memory. finish becomes Seal, Census again, End; ErrOpen and ErrEnded go on.
//   - takeup and recovery: a supervisor that starts again joins with a new number, and takes up what its
//     roster and Heads name together: a handler whose connection is the head's. Nothing is folded for it.
//     Heads without a living supervisor are opened by the others, as away; grace begins then.
//   - checkpoints, reserve and max_size of the journal are the file's alone.
//   - SupervisorJoined and SupervisorLeft are messages of the run's course; in the merged journal they
//     become records (kinds 100 and 101) once package fold knows them.
package cluster
