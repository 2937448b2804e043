// Package supervisor collects what clients say: it accepts their connections, hands each to a
// handler process of its own, owns the sessions, and journals, acknowledges and reports what
// comes of them.
//
//	supervisor                      this package: one process
//	 ├─ accept ── door ──► link     one goroutine a connection, which owns its handler
//	 │            pool ──► handler  one process a connection, used once
//	 ├─ processor                   one goroutine a session, which owns its state
//	 ├─ run                         the sessions, the journal and the end of one run
//	 └─ control, http               what an operator asks and reads
//
// A session outlives its connections, the handlers of them, and the supervisor:
//
//	         Hello                    Goodbye, all durable
//	fresh ─────────► active ──────────────────────────────► closed
//	          ┌────────┤ ▲
//	          ▼        │ │ connected again, resumed after the last durable message
//	        away ──────┼─┘         grace is over, or the run
//	          └────────┼──────────────────────────────────► lost
//	                   ├──────────────────────────────────► rejected     broke the protocol
//	                   └──────────────────────────────────► quarantined  killed its handlers
//
// After a restart a session is adrift until its handler has come back; state.go has every
// transition, as one pure function.
//
// Who owns what:
//
//   - A processor owns the session's sequence, its link and its outcome. What others have for
//     it is a note in its inbox.
//   - A link owns one connection: the handler process and the stream to it.
//   - The run owns the journal. record appends and waits until that is durable; nothing is
//     acknowledged before. If the journal fails, the run fails.
//   - Nothing that a handler or a client does is waited for without a bound.
//
// Words for what is turned down or let go of:
//
//   - shed: a connection or client is refused for want of room. It is told when to come again,
//     is counted, and is nobody's fault.
//   - rejected: a connection becomes no session's, and coming again would not help. It is
//     journalled with its reason; a session that is rejected has broken the protocol.
//   - distrusted: a handler has lied. It is killed; its session continues with another.
//   - dropped: the supervisor lets go of a link, or of a handler that did not take a socket.
//   - abandoned: a run that was not resumed in time is closed from its journal.
//   - handed over: a socket, to a handler. What an upgrade leaves to the next program is
//     inherited.
//
// The packages below do one thing each and know nothing of sessions: attendance, campaign,
// cluster, conduct, control, custody, door, fleet, gather, journal, pool, raw, report, reserve, rundir,
// upgrade, watch and web.
package supervisor
