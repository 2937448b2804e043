// Package handler is what runs inside a handler process: it owns one client's
// socket, checks what comes from it and relays it to the supervisor.
//
//	supervisor                      handler process                    client
//	   │ Serve(Open) ──────────────────► waits in the pool
//	   │ socket by SCM_RIGHTS (fd 3) ──► takes it, confirms
//	   │                                 checks the first bytes ◄── HTTP/2 preface
//	   │ ◄──────────────────────── Hello ◄── Collector.Collect ◄──── Hello
//	   │ Welcome ──────────────────────────────────────────────────► Welcome
//	   │ ◄──────────────── SealedBatch ◄── check, join ◄──────────── Batch
//	   │ Ack ───────────► forget batch ────────────────────────────► Ack
//	   │ ◄────────────────────── Goodbye ◄────────────────────────── Goodbye
//	   │ Finish ───────────────────────────────────────────────────► status
//	   │ ◄─────────────────────────── End
//	   │ says so on the line (fd 3) ────► exit 0
//
// Ping may come at any time and is answered by Pong, ahead of what waits.
//
// A handler outlives its supervisor. When the line ends without a word, or a Serve
// call does, it keeps its client's connection and all that was not acknowledged, and
// waits for another call: of the next supervisor, which adopts it with Probe and
// Serve. It ends
//
//	at once               without a client, and when its client is gone and a supervisor has everything
//	at SIGTERM            which stands for the line
//	after the grace       of the last Open: the client is told UNAVAILABLE first
//
// Invariants:
//
//   - One process, one client connection. A second socket is refused.
//   - Nothing of the client reaches the supervisor that was not checked here: form of the
//     Hello, limits, sequence. A batch is decoded for that unless it is intact (package
//     intact).
//   - A batch is kept until the supervisor acknowledges it, so a supervisor that
//     restarts can call Serve again and miss nothing. At most
//     Limits.max_unacked_batches are kept; then the client waits.
//   - A frame is in the black box (fd 4) from before it is decoded until it is kept, so
//     that a frame which kills or hangs the process is known.
//   - The End that is reported last says why the connection is over.
//
// The package does not decide: who may come, what is a duplicate across
// connections and how a session ends are the supervisor's.
package handler
