// Package failpoint lets a test end or hang a process at a named point of the
// program, or on a message that says so. Only programs built with the tag failpoints
// can; in all others its functions are empty.
//
// BULKHEAD_FAILPOINTS holds entries, separated by semicolons:
//
//	name=action       at the first hit of the point, and every later one
//	name=action@3     at the third hit
//	name=action?FILE  only if this hit creates FILE: once over all processes
//
// Actions: exit (status 3), kill (SIGKILL), segv (SIGSEGV with its default action),
// panic, spin (a busy loop), deadlock (the goroutine waits for ever), stop (SIGSTOP),
// oom (memory without end), forbid (a system call that the sandbox of a handler forbids) and
// stray (one that no rule of it knows).
//
// A message does the same to the handler that decodes it when the path of its
// Rollover has FAULT:action in it.
package failpoint

// EnvName is the environment variable that arms points.
const EnvName = "BULKHEAD_FAILPOINTS"
