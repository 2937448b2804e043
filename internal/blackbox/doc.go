// Package blackbox keeps the frame that a process is at work on where its parent
// finds it after the process has died: in a memory file (memfd_create(2)) that both
// have open. So a frame that kills its reader is known by its bytes.
//
//	parent: Create ──► descriptor inherited by the child ──► Read, at any time
//	child:  Open ──► Begin(frame) ──► Done ──► Begin …
//
// Begin and Done make no system call: the child writes to mapped memory, which
// outlives it whatever ends it. The parent never maps the file: the child may be
// hostile, and what it wrote is read with pread(2) into bounded memory and checked.
// The file is sealed against shrinking and growing.
//
// The package keeps one frame, the latest. What the frame means is its callers'.
package blackbox
