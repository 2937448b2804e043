// Package protocol is what clients, handlers and the supervisor agree on beside the messages
// themselves: versions, the form of a Hello, the bounds of all that a client may say, what
// is said of a session that is over, the id under which its rest is delivered, when to
// come again, how long a handler waits for a supervisor, and the words of enums.
//
// Handlers check a Hello for their clients, and the supervisor checks it again, because a
// handler may have been taken over.
package protocol
