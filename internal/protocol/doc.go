// Package protocol is what clients, handlers and the supervisor agree on beside the messages
// themselves: versions, the form of a Hello, the bounds of all that a client may say, what
// is said of a session that is over, the id under which its rest is delivered, and when to
// come again.
//
// Handlers check a Hello for their clients, and the supervisor checks it again, because a
// handler may have been taken over.
package protocol
