package supervisor_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"bulkhead/internal/certs"
	"bulkhead/internal/protocol"
	"bulkhead/internal/reason"
	"bulkhead/internal/testing/rawclient"
	"bulkhead/internal/tokens"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor"
	"bulkhead/supervisor/report"
)

// lab are the certificates of a test.
type lab string

func newLab(t *testing.T) lab {
	t.Helper()
	dir := t.TempDir()
	_, err := certs.Init(dir, certs.Plan{Addresses: []string{"127.0.0.1"}, Clients: []string{"alpha", "bravo"},
		Valid: time.Hour})
	must(t, err)
	return lab(dir)
}

func (l lab) file(name string) string { return filepath.Join(string(l), name) }

// secure makes a supervisor speak TLS.
func (l lab) secure(cfg *supervisor.Config) {
	cfg.TLS.Cert, cfg.TLS.Key = l.file(certs.SupervisorFile), l.file(certs.SupervisorKey)
}

// trusting returns the TLS of a client, with the certificate of name unless that is "".
func (l lab) trusting(t *testing.T, name string) *tls.Config {
	t.Helper()
	pool, err := certs.LoadPool(l.file(certs.CAFile))
	must(t, err)
	cfg := &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"}
	if name != "" {
		cert, key := certs.Files(name)
		pair, err := certs.LoadPair(l.file(cert), l.file(key))
		must(t, err)
		cfg.Certificates = []tls.Certificate{pair.TLS()}
	}
	return cfg
}

// dialTLS connects with TLS.
func (r *running) dialTLS(cfg *tls.Config) *rawclient.Client {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	r.t.Cleanup(cancel)
	c, err := rawclient.Dial(ctx, r.addr, grpc.WithTransportCredentials(credentials.NewTLS(cfg)))
	must(r.t, err)
	r.t.Cleanup(func() { c.Close() })
	return c
}

// load delivers three messages and ends the session in order.
func load(c *rawclient.Client, h *bulkheadv1.Hello) error {
	if _, err := c.Greet(h); err != nil {
		return err
	}
	if err := errors.Join(c.SendBatch(1, 3), c.AwaitAck(3), c.Goodbye(3)); err != nil {
		return err
	}
	if err := c.End(); !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// TestTLS serves clients over TLS with a key that no handler has, of every kind.
func TestTLS(t *testing.T) {
	for name, key := range map[string]func() (any, error){
		"p256":    func() (any, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) },
		"p384":    func() (any, error) { return ecdsa.GenerateKey(elliptic.P384(), rand.Reader) },
		"ed25519": func() (any, error) { _, k, err := ed25519.GenerateKey(rand.Reader); return k, err },
		"rsa":     func() (any, error) { return rsa.GenerateKey(rand.Reader, 2048) },
	} {
		t.Run(name, func(t *testing.T) {
			k, err := key()
			must(t, err)
			cert, file := selfSigned(t, k)
			r := start(t, func(cfg *supervisor.Config) { cfg.TLS.Cert, cfg.TLS.Key = cert, file })
			pool, err := certs.LoadPool(cert)
			must(t, err)
			must(t, load(r.dialTLS(&tls.Config{RootCAs: pool}), rawclient.Hello("alpha")))
			if rep := r.wait(); !rep.Complete() {
				t.Errorf("the run is %+v", rep.Verdict)
			}
		})
	}
}

// TestProvenClient lets clients in by their certificates, as the supervisor itself has seen them, and
// refuses those that have none or another's.
func TestProvenClient(t *testing.T) {
	for name, by := range map[string]func(lab, *supervisor.Config){
		"ca": func(l lab, cfg *supervisor.Config) { cfg.TLS.ClientCA = l.file(certs.CAFile) },
		"pinned": func(l lab, cfg *supervisor.Config) {
			cert, _ := certs.Files("alpha")
			cfg.TLS.Pinned = l.file(cert)
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			r := start(t, func(cfg *supervisor.Config) { l.secure(cfg); by(l, cfg) })
			stranger := newLab(t)
			other := stranger.trusting(t, "alpha")
			other.RootCAs = l.trusting(t, "").RootCAs
			_, err := r.dialTLS(other).Greet(rawclient.Hello("stranger"))
			wantRefusal(t, err, codes.Unauthenticated, bulkheadv1.Reason_REASON_CERTIFICATE_WRONG)
			_, err = r.dialTLS(l.trusting(t, "")).Greet(rawclient.Hello("nobody"))
			wantRefusal(t, err, codes.Unauthenticated, bulkheadv1.Reason_REASON_CERTIFICATE_MISSING)
			must(t, load(r.dialTLS(l.trusting(t, "alpha")), rawclient.Hello("alpha")))
			rep := r.wait()
			if rep.Complete() || len(rep.Rejections) != 2 || rep.Rejections[0].ClientName != "stranger" {
				t.Errorf("the run is %+v, with the rejections %+v", rep.Verdict, rep.Rejections)
			}
			for _, rec := range r.records() {
				if o := rec.GetSessionOpened(); o != nil && (o.GetIdentity().GetName() != "alpha" ||
					o.GetIdentity().GetKind() != bulkheadv1.IdentityKind_IDENTITY_KIND_CERTIFICATE) {
					t.Errorf("the session is that of %v", o.GetIdentity())
				}
			}
		})
	}
}

// TestAnotherClientsSession tries to act for another client: with its id, with what a report shows of
// it, with its name and without its certificate. Each is refused by name, and the client itself is not.
func TestAnotherClientsSession(t *testing.T) {
	l := newLab(t)
	file, secret := writeTokens(t, "alpha")
	r := start(t, func(cfg *supervisor.Config) {
		l.secure(cfg)
		cfg.TLS.ClientCA, cfg.Tokens = l.file(certs.CAFile), file
	})
	hello := rawclient.Hello("bravo")
	c := r.dialTLS(l.trusting(t, "bravo"))
	_, err := c.Greet(hello)
	must(t, err)
	must(t, errors.Join(c.SendBatch(1, 3), c.AwaitAck(3)))

	forged := func(with *tls.Config, change func(h *bulkheadv1.Hello)) {
		t.Helper()
		h := rawclient.Hello("forger")
		change(h)
		_, err := r.dialTLS(with).Greet(h)
		wantRefusal(t, err, codes.PermissionDenied, bulkheadv1.Reason_REASON_IDENTITY_WRONG)
	}
	withToken := func(h *bulkheadv1.Hello) { h.Token = secret }
	forged(l.trusting(t, "alpha"), func(h *bulkheadv1.Hello) { h.ClientId = hello.GetClientId() })
	forged(l.trusting(t, ""), func(h *bulkheadv1.Hello) { withToken(h); h.ClientId = hello.GetClientId() })
	forged(l.trusting(t, "alpha"),
		func(h *bulkheadv1.Hello) { h.ClientId = []byte(protocol.ShownID(hello.GetClientId())) })
	forged(l.trusting(t, "alpha"), func(h *bulkheadv1.Hello) { h.Name = "bravo" })
	forged(l.trusting(t, "bravo"), func(h *bulkheadv1.Hello) { h.Name = "alpha" }) // whose token is in the file

	must(t, errors.Join(c.SendBatch(4, 5), c.AwaitAck(5), c.Goodbye(5)))
	if err := c.End(); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	rep := r.wait()
	if rep.Complete() || len(rep.Rejections) != 5 {
		t.Errorf("the run is %+v, with the rejections %+v", rep.Verdict, rep.Rejections)
	}
	if c := rep.Clients[0]; c.Identity == nil || c.Identity.Name != "bravo" || c.LastSeq != 5 {
		t.Errorf("the client is %+v, with %d messages", c.Identity, c.LastSeq)
	}
	id := hex.EncodeToString(hello.GetClientId())
	for _, name := range []string{"report.json", "report.html", "report.txt"} {
		text, err := os.ReadFile(filepath.Join(r.dir, name))
		must(t, err)
		if bytes.Contains(text, []byte(id)) {
			t.Errorf("%s has the client's id", name)
		}
	}
}

// TestANameThatIsProven has another client of the same CA take a name first: whose certificate has that
// name is let in all the same, and from then on nobody else is.
func TestANameThatIsProven(t *testing.T) {
	l := newLab(t)
	r := start(t, func(cfg *supervisor.Config) {
		l.secure(cfg)
		cfg.TLS.ClientCA, cfg.Clients.Count = l.file(certs.CAFile), 2
	})
	first := r.dialTLS(l.trusting(t, "alpha"))
	_, err := first.Greet(rawclient.Hello("bravo"))
	must(t, err)
	must(t, load(r.dialTLS(l.trusting(t, "bravo")), rawclient.Hello("bravo")))
	_, err = r.dialTLS(l.trusting(t, "alpha")).Greet(rawclient.Hello("bravo"))
	wantRefusal(t, err, codes.PermissionDenied, bulkheadv1.Reason_REASON_IDENTITY_WRONG)
	must(t, errors.Join(first.SendBatch(1, 3), first.AwaitAck(3), first.Goodbye(3))) // its session stays its own
	must(t, load(r.dialTLS(l.trusting(t, "alpha")), rawclient.Hello("alpha")))
	rep := r.wait()
	// They stand in the order in which their sessions came to the journal.
	proven := func(c report.Client) bool {
		return c.Name == "bravo" && c.Identity != nil && c.Identity.Name == "bravo"
	}
	if !slices.ContainsFunc(rep.Clients, proven) {
		t.Errorf("nobody proved to be bravo: %+v", rep.Clients)
	}
}

// writeTokens writes the token of a client into a file, and returns it.
func writeTokens(t *testing.T, name string) (file, secret string) {
	t.Helper()
	one, err := tokens.New(name)
	must(t, err)
	file = filepath.Join(t.TempDir(), "tokens")
	must(t, os.WriteFile(file, []byte(one.Line()+"\n"), 0o600))
	return file, one.Secret()
}

// TestTokenOfAClient lets a client in by a token of its own, and no other, with or without TLS.
func TestTokenOfAClient(t *testing.T) {
	file, secret := writeTokens(t, "alpha")
	r := start(t, func(cfg *supervisor.Config) { cfg.Tokens = file })
	h := rawclient.Hello("nobody")
	_, err := r.dial().Greet(h)
	wantRefusal(t, err, codes.Unauthenticated, bulkheadv1.Reason_REASON_TOKEN_MISSING)
	h.Token = "guess"
	_, err = r.dial().Greet(h)
	wantRefusal(t, err, codes.Unauthenticated, bulkheadv1.Reason_REASON_TOKEN_WRONG)
	h = rawclient.Hello("alpha")
	h.Token = secret
	must(t, load(r.dial(), h))
	rep := r.wait()
	if c := rep.Clients[0]; c.Identity == nil || c.Identity.Kind != "token" || c.Identity.Name != "alpha" {
		t.Errorf("the client is %+v", c.Identity)
	}
}

// wantRefusal checks that err is a status with a reason.
func wantRefusal(t *testing.T, err error, code codes.Code, why bulkheadv1.Reason) {
	t.Helper()
	s := status.Convert(err)
	if got, _ := reason.Of(s); s.Code() != code || got != why {
		t.Errorf("got %v (%v, %s); want %v (%v)", s.Code(), got, s.Message(), code, why)
	}
}

// TestABrowserWithoutTLS has a browser ask a port that speaks TLS: it is told what it asks, as it is
// where there is no TLS.
func TestABrowserWithoutTLS(t *testing.T) {
	l := newLab(t)
	r := start(t, l.secure)
	conn, err := net.Dial("tcp", r.addr)
	must(t, err)
	defer conn.Close()
	must(t, conn.SetDeadline(time.Now().Add(patience)))
	_, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	must(t, err)
	answer, _ := io.ReadAll(conn) // however it ends
	if !strings.Contains(string(answer), "This is a Bulkhead collector") {
		t.Errorf("it was answered %q", answer)
	}
	conn.Close()
	r.log.await(t, "connection rejected")
	must(t, load(r.dialTLS(l.trusting(t, "")), rawclient.Hello("alpha")))
	rep := r.wait()
	if len(rep.Rejections) != 1 || !strings.Contains(rep.Rejections[0].Reason, "client speaks HTTP/1") {
		t.Errorf("the rejections are %+v", rep.Rejections)
	}
}

// TestNoTLS rejects a client that speaks no TLS where it must, and says why.
func TestNoTLS(t *testing.T) {
	l := newLab(t)
	r := start(t, l.secure)
	plain, err := rawclient.Dial(t.Context(), r.addr)
	if err == nil { // else its library has read the answer already
		defer plain.Close()
		_, err = plain.Greet(rawclient.Hello("plain"))
	}
	if err == nil {
		t.Error("a client without TLS was let in")
	}
	must(t, load(r.dialTLS(l.trusting(t, "")), rawclient.Hello("alpha")))
	rep := r.wait()
	if len(rep.Rejections) == 0 || !rep.Complete() {
		t.Fatalf("the run is %+v, with the rejections %+v", rep.Verdict, rep.Rejections)
	}
	for _, rec := range r.records() {
		if c := rec.GetConnectionRejected(); c != nil && c.GetCode() != bulkheadv1.Reason_REASON_TLS_FAILED {
			t.Errorf("rejected for %v: %s", c.GetCode(), c.GetReason())
		}
	}
}

// selfSigned writes a certificate for 127.0.0.1 with a key.
func selfSigned(t *testing.T, key any) (cert, file string) {
	t.Helper()
	now := time.Now()
	template := &x509.Certificate{NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		IPAddresses: loopback(), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	return writePair(t, template, key)
}
