// Package route decides which address of a supervisor a client or an agent dials next, of those
// that it was given, those of the names among them, and those that a supervisor has named.
//
// A round tries each of them once, one right after the other; only between two rounds is there a
// wait. So an address at which nobody answers costs what dialling it costs, and no wait. Every
// client has an order of its own, by which many clients spread evenly over the addresses, and
// those of one that is lost over the rest. A round begins with where the client was, unless that
// has sent it away or fallen silent; then that comes last.
//
// Nothing here dials. Resolver asks for the addresses of names; all else is pure.
package route
