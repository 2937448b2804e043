// Package sink is where a process prints what it must never wait for: the lines of its
// log, and what it draws on a terminal.
//
// Write and Refresh return at once, whatever becomes of the reader: a full pipe, a
// terminal that was stopped (Ctrl-S), a slow tee, a reader that is gone. What the reader
// has not taken yet waits in a queue that is bounded in bytes. What finds no room there
// is left out, and a note in its place says how many lines were, as soon as somebody
// reads again. Of a View only the newest state is ever drawn.
//
// One goroutine at a time writes, and there is one only while there is something to
// write. It asks whether the reader takes something before it writes, and writes no more
// at once than a pipe takes whole (PIPE_BUF), cut between lines where that can be. So it
// is hardly ever found inside write(2), and if it is, neither exit nor execve(2) waits for
// it; a line of up to 4 KiB is never cut by either. The descriptor is never made
// non-blocking: it is shared with whoever started the process.
//
// Flush waits for the reader with a deadline. Nothing else here waits.
//
// A panic is not printed here: Go's runtime writes it to descriptor 2 itself.
package sink
