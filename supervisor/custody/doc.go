// Package custody says how handlers are to lock themselves in, sees to it that each has before it
// gets a client, and remembers what they lack.
//
// A handler's word counts as it says it: nothing of a client has reached it. What of it the kernel
// shows is looked at all the same, and a handler that is not as it says is not used.
package custody
