package session

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"bulkhead/internal/certs"
	"bulkhead/internal/config"
	"bulkhead/internal/protocol"
	"bulkhead/internal/tokens"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// distrusted is the end of a TLS handshake after which the same would come of another; or there was
// none, for want of a file that it takes.
type distrusted struct{ error }

func (d distrusted) Unwrap() error { return d.error }

// CheckFiles returns what is wrong with the files by which a client and its supervisor know each
// other: those of TLS, and that of the token; nil if nothing is, or if there are none.
func CheckFiles(c config.ClientTLS, tokenFile string) error {
	var problems []error
	if c.CA != "" {
		_, err := tlsConfig("", c)
		problems = append(problems, err)
	}
	if tokenFile != "" {
		_, err := readToken(tokenFile)
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}

// readToken reads the file of a client's token: anew for each connection, as the files of TLS.
func readToken(file string) (string, error) {
	token, err := tokens.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("token_file: %w", err)
	}
	return token, nil
}

// tlsConfig reads the files of a client's TLS: anew for each connection, for a certificate may
// have been followed by another.
func tlsConfig(host string, c config.ClientTLS) (*tls.Config, error) {
	roots, err := certs.LoadPool(c.CA)
	if err != nil {
		return nil, fmt.Errorf("tls.ca: %w", err)
	}
	out := &tls.Config{MinVersion: tls.VersionTLS13, NextProtos: []string{"h2"}, RootCAs: roots, ServerName: host}
	if c.ServerName != "" {
		out.ServerName = c.ServerName
	}
	if c.Cert != "" {
		pair, err := certs.LoadPair(c.Cert, c.Key)
		if err != nil {
			return nil, fmt.Errorf("tls.cert: %w", err)
		}
		own := pair.TLS()
		// The supervisor says no CAs, so this one is shown whatever it says.
		out.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &own, nil }
	}
	return out, nil
}

// secure begins TLS on a connection, no longer than dialTimeout.
func secure(ctx context.Context, socket net.Conn, host string, c config.ClientTLS) (net.Conn, error) {
	cfg, err := tlsConfig(host, c)
	if err != nil {
		return nil, distrusted{err}
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	begun := &beginning{Conn: socket}
	conn := tls.Client(begun, cfg)
	err = conn.HandshakeContext(ctx)
	if err == nil {
		begun.done, begun.kept = true, nil
		return conn, nil
	}
	return nil, begun.why(err)
}

// beginning keeps the first bytes that come on a connection, until it is done.
type beginning struct {
	net.Conn
	done bool // one goroutine reads before it is, and it does not change again
	kept []byte
}

func (b *beginning) Read(p []byte) (int, error) {
	n, err := b.Conn.Read(p)
	if !b.done {
		b.kept = append(b.kept, p[:min(n, goAwayMaxBytes-len(b.kept))]...)
	}
	return n, err
}

// why returns why a handshake failed, in plain words. A supervisor that is busy says so without
// TLS: it has given the connection to no handler.
func (b *beginning) why(err error) error {
	var notTLS tls.RecordHeaderError
	var invalid *tls.CertificateVerificationError
	switch {
	case errors.As(err, &notTLS):
		return b.withoutTLS()
	case errors.As(err, &invalid):
		return distrusted{fmt.Errorf("the supervisor's certificate is not accepted: %s", certificateWords(invalid))}
	case errors.Is(err, context.DeadlineExceeded):
		return broken(errors.New("the TLS handshake took too long"))
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return broken(errors.New("the supervisor's side closed the connection in the TLS handshake"))
	}
	var alert tls.AlertError
	if errors.As(err, &alert) {
		return distrusted{fmt.Errorf("TLS: %w", err)}
	}
	return broken(fmt.Errorf("TLS: %s", strings.TrimPrefix(err.Error(), "tls: ")))
}

// withoutTLS returns what a side says that does not speak TLS.
func (b *beginning) withoutTLS() error {
	if b.Conn.SetReadDeadline(time.Now().Add(restTimeout)) == nil {
		_, _ = io.CopyN(io.Discard, b, goAwayMaxBytes) // whatever there is, and is kept
	}
	var frames goAwayScanner
	frames.scan(b.kept)
	if text, came := frames.text(); came && !frames.alien {
		return retryable{error: errors.New(told(text)), after: protocol.RetryAfter(text),
			absence: bulkheadv1.Absence_ABSENCE_SENT_AWAY}
	}
	return distrusted{errors.New("what listens there does not speak TLS; leave tls.ca out if that is right")}
}

// certificateWords says what is wrong with a certificate.
func certificateWords(err *tls.CertificateVerificationError) string {
	var unknown x509.UnknownAuthorityError
	if errors.As(err, &unknown) {
		return "it is of none of the CAs in tls.ca"
	}
	return told(strings.TrimPrefix(err.Err.Error(), "x509: ")) // it may have names of the certificate
}
