// Package filter says which system calls a locked handler may make, and compiles that to a
// program for seccomp(2).
//
// The rules are data (rules.go), by the names of the calls; numbers.go has the numbers. What
// the rules do not name is unknown: it fails with ENOSYS, so that a newer runtime of Go finds
// out what it cannot have, or it kills the process, in tests, which then find what a rule
// lacks. Programs are made ahead of time: package lock has one for each machine, which its
// TestPrograms writes anew.
//
// A call is allowed only with arguments whose upper halves are 0 where a rule looks at one, also
// where the kernel would look at the lower half alone.
package filter
