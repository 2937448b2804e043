// Package identity has the supervisor's certificate and key, signs TLS handshakes with it, and says
// who is at the other end of a connection.
//
//	handler                     supervisor
//	   ◄── certificate, random ──  a Notary for each connection
//	   ─── CertificateVerify ───►  signs one, of the right form
//	   ◄───────── signature ─────
//	   ─── the handshake ───────►  is it the one that was signed? who signed it at the other end?
//	   ─── Hello with a token ──►  whose is it?
//
// A handler parses what its client sends, and may have been taken over, so it never has the key, and
// its word says nothing of who its client is. What it shows is a handshake that
//
//   - has the random of this connection in its ServerHello, so that it is no earlier one,
//   - has, up to the server's Certificate, the hash that was signed for this connection, so that it
//     is no other one that goes on now,
//   - was signed, up to its own Certificate, by a client whose certificate is pinned, or is of the
//     CA for clients.
//
// The files are read again when they change.
package identity
