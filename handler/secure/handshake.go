package secure

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// closeTimeout bounds how long a connection may take to say to the client that it is closed.
const closeTimeout = 250 * time.Millisecond

// Signer has the supervisor sign.
type Signer func(*bulkheadv1.Sign) ([]byte, error)

// Handshake makes a connection with TLS of raw, no longer than until ctx is done. proof shows the
// handshake of a client that has a certificate; it is nil for another.
func Handshake(ctx context.Context, raw net.Conn, s *bulkheadv1.Secure, sign Signer) (*Conn, *bulkheadv1.Proof,
	error) {
	cfg, err := configOf(s, sign)
	if err != nil {
		return nil, nil, err
	}
	return handshake(ctx, raw, cfg, s.GetAsk())
}

// configOf returns what package tls is told.
func configOf(s *bulkheadv1.Secure, sign Signer) (*tls.Config, error) {
	if len(s.GetChain()) == 0 {
		return nil, errors.New("there is no certificate")
	}
	leaf, err := x509.ParseCertificate(s.GetChain()[0])
	if err != nil {
		return nil, fmt.Errorf("reading the supervisor's certificate: %w", err)
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS13, SessionTicketsDisabled: true, NextProtos: []string{"h2"},
		Certificates: []tls.Certificate{{Certificate: s.GetChain(), Leaf: leaf,
			PrivateKey: remoteKey{leaf.PublicKey, sign}}},
		Rand: &randomness{first: s.GetRandom()},
	}, nil
}

// handshake makes a connection with TLS of raw, and asks the client for a certificate if that is
// wanted.
func handshake(ctx context.Context, raw net.Conn, cfg *tls.Config, ask bool) (*Conn, *bulkheadv1.Proof, error) {
	if !ask {
		c := &Conn{tls.Server(raw, cfg), raw}
		return c, nil, c.HandshakeContext(ctx)
	}
	kept := &secrets{}
	t := &tape{Conn: raw}
	t.recording.Store(true)
	cfg.ClientAuth, cfg.KeyLogWriter = tls.RequestClientCert, kept
	c := &Conn{tls.Server(t, cfg), raw}
	err := c.HandshakeContext(ctx)
	in, out := t.stop()
	if err != nil || len(c.ConnectionState().PeerCertificates) == 0 {
		return c, nil, err
	}
	proof, err := prove(in, out, c.ConnectionState().CipherSuite, kept)
	if err != nil {
		return c, nil, fmt.Errorf("showing the handshake to the supervisor: %w", err)
	}
	return c, proof, nil
}

// Conn is a connection with TLS.
type Conn struct {
	*tls.Conn
	raw net.Conn
}

// Close says so to the client, if it takes that soon, and closes the socket.
func (c *Conn) Close() error {
	late := time.AfterFunc(closeTimeout, func() { c.raw.Close() })
	defer late.Stop()
	return c.Conn.Close()
}

// remoteKey signs with a key that it does not have.
type remoteKey struct {
	public crypto.PublicKey
	sign   Signer
}

// compile-time: package tls gives it the message, not its hash.
var _ crypto.MessageSigner = remoteKey{}

func (k remoteKey) Public() crypto.PublicKey { return k.public }

// Sign implements crypto.Signer; it is not called.
func (remoteKey) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("only whole messages are signed")
}

func (k remoteKey) SignMessage(_ io.Reader, content []byte, opts crypto.SignerOpts) ([]byte, error) {
	ask := &bulkheadv1.Sign{Content: content}
	if _, pss := opts.(*rsa.PSSOptions); pss {
		ask.HashBits = uint32(opts.HashFunc().Size()) * 8
	}
	return k.sign(ask)
}

// randomness is random but for what is read first, which is ServerHello.random: the supervisor
// finds it in the handshake that it is shown, and so knows that it is this connection's.
type randomness struct{ first []byte }

func (r *randomness) Read(p []byte) (int, error) {
	if len(r.first) > 0 {
		n := copy(p, r.first)
		r.first = r.first[n:]
		return n, nil
	}
	return rand.Read(p)
}
