// Package upgrade is what one program and the next one in the same process have to do with each
// other: the pre-flight, in which the next shows that it is fit, and the inheritance, the
// descriptors that stay open across execve(2) and what else is in no file. It knows nothing of
// runs; when to upgrade is for the supervisor to decide.
//
// Three things are called pre-flight. Check, here, starts the next program and reads its answer.
// supervisor.Preflight is what that program does to find the answer: it checks its configuration,
// the state directory and a handler. Package client/preflight is apart from both: it checks, before
// a load, whether the load can work.
package upgrade
