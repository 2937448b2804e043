package access

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"

	"bulkhead/internal/certs"
	"bulkhead/internal/ownfile"
)

// Key is what proves to an engine who asks, and to whom it talks. All are paths of files, or empty.
type Key struct {
	// Creds has a user's credentials: a JWT with its seed, or the seed of an nkey alone.
	Creds string
	// CA has the certificates of those who certify the engine; without it the system's do.
	CA string
	// Cert and CertKey are the user's certificate and its key.
	Cert, CertKey string
}

// maxCredsBytes bounds a file of credentials.
const maxCredsBytes = 64 << 10

// jwtMark is in a file of credentials that has a JWT.
var jwtMark = []byte("BEGIN NATS USER JWT")

// Options returns how to connect. With a file of TLS nothing is said without TLS. The files are read
// now, to find what is wrong with them, and credentials again at each connection.
func (k Key) Options() (options []nats.Option, err error) {
	if k.Creds != "" {
		data, err := ownfile.ReadSecret(k.Creds, maxCredsBytes)
		if err != nil {
			return nil, fmt.Errorf("the credentials for the engine: %w", err)
		}
		seed := !bytes.Contains(data, jwtMark)
		clear(data)
		option := nats.UserCredentials(k.Creds)
		if seed {
			if option, err = nats.NkeyOptionFromSeed(k.Creds); err != nil {
				return nil, fmt.Errorf("the credentials for the engine: %s has neither a JWT nor the seed of an nkey: "+
					"%w", k.Creds, err)
			}
		}
		options = append(options, option)
	}
	if (k.Cert == "") != (k.CertKey == "") {
		return nil, errors.New("the certificate for the engine: it needs its key, and the key its certificate")
	}
	if k.CA == "" && k.Cert == "" {
		return options, nil
	}
	way := &tls.Config{MinVersion: tls.VersionTLS12}
	if k.CA != "" {
		if way.RootCAs, err = certs.LoadPool(k.CA); err != nil {
			return nil, fmt.Errorf("the CA of the engine: %w", err)
		}
	}
	if k.Cert != "" {
		pair, err := certs.LoadPair(k.Cert, k.CertKey)
		if err != nil {
			return nil, fmt.Errorf("the certificate for the engine: %w", err)
		}
		way.Certificates = []tls.Certificate{pair.TLS()}
	}
	return append(options, nats.Secure(way)), nil
}

// Refused reports whether an engine does not let in who asks, or is not the one that it should be: asking
// again changes nothing.
func Refused(err error) bool {
	for _, why := range []error{nats.ErrAuthorization, nats.ErrAuthExpired, nats.ErrAuthRevoked,
		nats.ErrPermissionViolation, nats.ErrSecureConnWanted, nats.ErrSecureConnRequired} {
		if errors.Is(err, why) {
			return true
		}
	}
	var wrong *tls.CertificateVerificationError
	return errors.As(err, &wrong)
}
