// Package conduct keeps what a session remembers of its client's conduct across connections:
// which process acts as the client, which of its messages kill handlers, how often it sends
// too much or contradicts itself. It decides nothing: what follows from a count is for the
// session's owner to decide.
package conduct
