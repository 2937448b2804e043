// Package plaintext makes texts that others chose safe to print: no byte of them does anything to
// a terminal, changes the direction of what follows, or breaks a line that is one. It is the
// one edge: the fold cleans what it takes from a journal, the supervisor what its status
// says, and what came through either need not be cleaned again. What must be plain from the start,
// such as a name, is not cleaned but refused, by Check.
package plaintext
