// Package handler is what runs inside a handler process: it owns one client's
// socket, decodes what comes from it and relays it to the supervisor.
//
//	supervisor                      handler process                    client
//	   │ socket by SCM_RIGHTS (fd 3) ──► takes it, confirms
//	   │ Serve(Open) ──────────────────► checks the first bytes ◄── HTTP/2 preface
//	   │ ◄──────────────────────── Hello ◄── Collector.Collect ◄──── Hello
//	   │ Welcome ──────────────────────────────────────────────────► Welcome
//	   │ ◄──────────────── SealedBatch ◄── decode, check ◄────────── Batch
//	   │ Ack ───────────► forget batch ────────────────────────────► Ack
//	   │ ◄────────────────────── Goodbye ◄────────────────────────── Goodbye
//	   │ Finish ───────────────────────────────────────────────────► status
//	   │ ◄─────────────────────────── End
//	   │ closes the line (fd 3) ────────► exit 0
//
// Invariants:
//
//   - One process, one client connection. A second socket is refused.
//   - Nothing of the client reaches the supervisor that was not decoded and
//     checked here: form of the Hello, limits, sequence.
//   - A batch is kept until the supervisor acknowledges it, so a supervisor that
//     restarts can call Serve again and miss nothing. At most
//     Limits.max_unacked_batches are kept; then the client waits.
//   - The End that is reported last says why the connection is over.
//
// The package does not decide: who may come, what is a duplicate across
// connections and how a session ends are the supervisor's.
package handler
