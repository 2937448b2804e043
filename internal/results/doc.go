// Package results prints what a command has to say on standard output. Whoever reads it may
// have seen enough, or read slowly: neither is an error, and nothing waits for them but the
// command, at its very end. Once the process is asked to end, a Queue gives up on a reader that
// takes nothing for Patience.
package results
