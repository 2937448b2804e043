// Package client is the heartbeat parent on a test machine: it connects to the
// supervisor, checks that its load can work, runs the consumers and the monitor
// as processes of their own, asks them how they are, and delivers everything they
// say.
//
//	Run ─┬─ session    one connection at a time: Hello, batches, acks, Goodbye
//	     │     ▲ batches, acks
//	     ├─ outbox     numbers messages; memory, then the spool file
//	     │     ▲ messages
//	     ├─ streams    one a worker: the worker's Run stream into the outbox
//	     ├─ heartbeats one round an interval, one message a round
//	     └─ workers    consumer 0 … n-1 and the monitor (processes, internal/child)
//
// Invariants:
//
//   - A message has its sequence number once it is in the outbox, and stays there
//     until the supervisor says it is durable. Numbers have no gaps.
//   - The aggregated Stop is the last message; nothing is numbered after it.
//   - Memory, spool and every queue are bounded. What does not fit is counted and
//     ends the load; it is never kept in a queue without end.
//   - Run returns only after everything it started has stopped, and leaves no
//     process, socket or load file behind, except what its Result names. One thing
//     can outlast it: a check before the load that is stuck in a system call.
//
// The package does not write load itself (client/consumer), does not read /proc
// (client/monitor), does not parse configuration files (internal/config) and
// installs no signal handlers: the caller passes signals in.
package client
