package session

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"bulkhead/internal/certs"
	"bulkhead/internal/config"
	"bulkhead/internal/plaintext"
)

// busyWithoutTLS is what a supervisor says without TLS that has no handler: SETTINGS, and a GOAWAY.
func busyWithoutTLS(text string) []byte {
	length := len(text) + 8
	out := []byte{0, 0, 0, http2Settings, 0, 0, 0, 0, 0, 0, byte(length >> 8), byte(length), http2GoAway, 0, 0, 0, 0, 0}
	return append(append(out, make([]byte, 8)...), text...)
}

// certificateFor makes a certificate that nobody has signed, for a name.
func certificateFor(t *testing.T, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		DNSNames: []string{name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// Whoever answers in place of the supervisor has proved nothing yet, and its words come to a terminal
// all the same.
func TestWordsBeforeTLSAreCleaned(t *testing.T) {
	dir := t.TempDir()
	plan := certs.Plan{Addresses: []string{"127.0.0.1"}, Clients: []string{"a"}, Valid: time.Hour}
	if _, err := certs.Init(dir, plan); err != nil {
		t.Fatal(err)
	}
	for name, serve := range map[string]func(net.Conn){
		"goaway": func(socket net.Conn) {
			_, _ = socket.Read(make([]byte, 1))
			_, _ = socket.Write(busyWithoutTLS(evil[:900]))
		},
		"certificate": func(socket net.Conn) {
			cfg := &tls.Config{Certificates: []tls.Certificate{certificateFor(t, "\x1b]0;owned\a\n.test")}}
			_ = tls.Server(socket, cfg).Handshake()
		},
	} {
		t.Run(name, func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			var serving sync.WaitGroup
			serving.Go(func() { // ends with the one connection, or the listener
				socket, err := listener.Accept()
				if err != nil {
					return
				}
				serve(socket)
				_, _ = socket.Read(make([]byte, 1<<16)) // until the client hangs up
				socket.Close()
			})
			defer serving.Wait()
			defer listener.Close()
			socket, err := net.Dial("tcp", listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer socket.Close()
			_, err = secure(t.Context(), socket, "supervisor.test", config.ClientTLS{CA: filepath.Join(dir, "ca.crt")})
			if err == nil {
				t.Fatal("it is trusted")
			}
			text := err.Error()
			if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) ||
				!strings.Contains(text, "owned") || len(text) > plaintext.MaxText+100 {
				t.Errorf("the error is %q", text)
			}
		})
	}
}
