// Package session keeps a client's session with its supervisor: it connects, says Hello,
// delivers what an outbox holds, and comes back after an outage for as long as that makes
// sense. It tells what broke a connection, and why the client was away.
package session
