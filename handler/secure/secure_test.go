package secure

import (
	"context"
	"crypto/tls"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"bulkhead/internal/certs"
	"bulkhead/internal/config"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/identity"
)

// lab has the certificates of a test, and the supervisor's credentials.
func lab(t *testing.T) (dir string, c *identity.Credentials) {
	t.Helper()
	dir = t.TempDir()
	plan := certs.Plan{Addresses: []string{"localhost"}, Clients: []string{"alpha"}, Valid: time.Hour}
	_, err := certs.Init(dir, plan)
	if err != nil {
		t.Fatal(err)
	}
	var cfg config.Supervisor
	cfg.TLS = config.ServerTLS{Cert: filepath.Join(dir, certs.SupervisorFile),
		Key: filepath.Join(dir, certs.SupervisorKey), ClientCA: filepath.Join(dir, certs.CAFile)}
	if c, err = identity.Load(cfg); err != nil {
		t.Fatal(err)
	}
	return dir, c
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// wantAlpha checks that a proof shows alpha to the supervisor.
func wantAlpha(t *testing.T, n *identity.Notary, proof *bulkheadv1.Proof) {
	t.Helper()
	v, err := n.Prove(proof)
	if err != nil || v.Identity.GetName() != "alpha" {
		t.Errorf("the supervisor sees %+v, %v", v, err)
	}
}

// TestRetried shows a handshake with a HelloRetryRequest, in which the client's first message
// is but a hash.
func TestRetried(t *testing.T) {
	dir, c := lab(t)
	pool, err := certs.LoadPool(filepath.Join(dir, certs.CAFile))
	if err != nil {
		t.Fatal(err)
	}
	pair, err := certs.LoadPair(filepath.Join(dir, "alpha.crt"), filepath.Join(dir, "alpha.key"))
	if err != nil {
		t.Fatal(err)
	}
	l := listen(t)
	var client sync.WaitGroup
	defer client.Wait()
	client.Go(func() {
		conn, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{RootCAs: pool, ServerName: "localhost",
			Certificates: []tls.Certificate{pair.TLS()}})
		if err != nil {
			t.Error(err)
			return
		}
		conn.Close()
	})
	raw, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	n := c.NewNotary()
	cfg, err := configOf(n.Secure(), n.Sign)
	if err != nil {
		t.Fatal(err)
	}
	cfg.CurvePreferences = []tls.CurveID{tls.CurveP384} // of which no client sends a share at first
	over, proof, err := handshake(t.Context(), raw, cfg, true)
	if err != nil {
		t.Fatal(err)
	}
	if !over.ConnectionState().HelloRetryRequest || proof.GetMessages()[0] != messageHash {
		t.Error("there was no HelloRetryRequest")
	}
	wantAlpha(t, n, proof)
}

// TestForeignClient shows the handshakes of OpenSSL, with each cipher suite.
func TestForeignClient(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("there is no openssl here")
	}
	for _, suite := range []string{"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"} {
		t.Run(suite, func(t *testing.T) {
			dir, c := lab(t)
			l := listen(t)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			said := &strings.Builder{}
			client := exec.CommandContext(ctx, openssl, "s_client", "-connect", l.Addr().String(), "-tls1_3",
				"-ciphersuites", suite, "-CAfile", filepath.Join(dir, certs.CAFile), "-verify_return_error",
				"-servername", "localhost", "-verify_hostname", "localhost", "-alpn", "h2",
				"-cert", filepath.Join(dir, "alpha.crt"), "-key", filepath.Join(dir, "alpha.key"))
			client.Stdout, client.Stderr = said, said
			if err := client.Start(); err != nil {
				t.Fatal(err)
			}
			defer client.Wait() // it ends with the connection
			raw, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer raw.Close()
			n := c.NewNotary()
			over, proof, err := Handshake(ctx, raw, n.Secure(), n.Sign)
			if err != nil {
				raw.Close()
				_ = client.Wait()
				t.Fatalf("%v; openssl says\n%s", err, said)
			}
			defer over.Close()
			if got := tls.CipherSuiteName(over.ConnectionState().CipherSuite); got != suite {
				t.Errorf("the cipher suite is %s", got)
			}
			wantAlpha(t, n, proof)
		})
	}
}
