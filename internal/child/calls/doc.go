// Package calls makes gRPC calls to a child over one connection, as its client.
//
// A grpc.ClientConn does that for any number of servers, wherever they are: it resolves names,
// balances, connects again, and has six goroutines for the one call of a handler. Here there is one
// connection, which is there already and is not made again, a goroutine that reads it, and whoever
// sends writes. On the wire it is the same, and what it serves is bounded as there: who sends what
// breaks HTTP/2 or gRPC loses its calls; what was not received yet is never more than a window, beside
// one message that may be as large as it may; nothing that it sends is kept for it.
//
// It speaks as much of gRPC as a child needs: no compression, no deadlines on the wire, no retries.
package calls
