// Package sandbox holds what a supervisor and its handlers agree on about how handlers lock
// themselves in: the levels, the layers, what a handler is told to do (Order), what it says it
// could not do (Missing), and what of that another process can see (Check).
//
// A handler locks itself before it says that it is ready, and no byte of a client has reached it
// until then: so its word counts. Package lock is what it does.
package sandbox
