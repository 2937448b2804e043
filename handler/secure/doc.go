// Package secure is the handler's side of TLS 1.3 with a client. The handler has the supervisor's
// certificate but not its key: it asks the supervisor for the one signature of the handshake.
//
// If the client shows a certificate, the package also returns the handshake's messages as they are
// hashed (RFC 8446, section 4.4.1), so that the supervisor sees itself who signed them. Package tls
// does not give them out. So what passes during the handshake is recorded, and opened with the
// handshake's own secrets.
//
// The package does not judge certificates: a handler may have been taken over, so the supervisor
// does.
package secure
