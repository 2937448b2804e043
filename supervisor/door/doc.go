// Package door decides which connections are let in, and refuses the others with a reason
// that every gRPC library understands, before any handler. A gate knows its visitors by
// address alone; what it may not do is keep out the client of a session that is away.
// Nothing that a client sends is interpreted here, beyond whether it has opened a stream.
package door
