// Package conformance plays a strict supervisor to a client of the Collector protocol, in
// whatever language that is written, and says what the client does wrong.
//
// A scenario is a script of what happens to the client: an ordinary session, one whose
// connection is cut, one that is told to come again later. It holds the client to the rules
// that a supervisor checks as well (handler.CheckHello, handler.CheckBatch) and to those that
// a supervisor cannot hold it to, because there it depends on who is faster: nothing before
// the Welcome, no more unacknowledged batches than the window has room for, nothing sent
// again that is durable, all of it that is not.
//
// Each scenario wants a client of its own, a new process: Config.Command is run once for
// each, or somebody starts one by hand. A scenario ends passed, failed or left out; it is left
// out when the client never did what was to be disturbed, and then says what was missing.
//
// The package does not journal, does not report, and starts no handlers.
package conformance
