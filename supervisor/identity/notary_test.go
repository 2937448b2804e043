package identity

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"bulkhead/handler/secure"
	"bulkhead/internal/certs"
	"bulkhead/internal/config"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// lab is a folder of certificates.
type lab string

func newLab(t testing.TB) lab {
	t.Helper()
	dir := t.TempDir()
	_, err := certs.Init(dir, certs.Plan{Addresses: []string{"localhost"}, Clients: []string{"alpha", "bravo"},
		Valid: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return lab(dir)
}

func (l lab) file(name string) string { return filepath.Join(string(l), name) }

// credentials are those of a supervisor that takes the lab's clients.
func (l lab) credentials(t testing.TB) *Credentials {
	t.Helper()
	var cfg config.Supervisor
	cfg.TLS = config.ServerTLS{Cert: l.file(certs.SupervisorFile), Key: l.file(certs.SupervisorKey),
		ClientCA: l.file(certs.CAFile)}
	c, err := Load(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (l lab) client(t testing.TB, name string) *tls.Config {
	t.Helper()
	pool, err := certs.LoadPool(l.file(certs.CAFile))
	if err != nil {
		t.Fatal(err)
	}
	cert, key := certs.Files(name)
	pair, err := certs.LoadPair(l.file(cert), l.file(key))
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{RootCAs: pool, ServerName: "localhost", Certificates: []tls.Certificate{pair.TLS()}}
}

// shake makes a client shake hands with a handler that is told what told tells it, and whose
// signatures are signed's.
func shake(t testing.TB, client *tls.Config, told, signed *Notary) *bulkheadv1.Proof {
	t.Helper()
	near, far := pipe(t)
	var both sync.WaitGroup
	defer both.Wait()
	both.Go(func() {
		if err := tls.Client(far, client).Handshake(); err != nil {
			t.Error(err)
		}
	})
	_, proof, err := secure.Handshake(context.Background(), near, told.Secure(), signed.Sign)
	if err != nil {
		t.Error(err)
		near.Close()
	}
	return proof
}

// pipe returns both ends of a TCP connection.
func pipe(t testing.TB) (near, far net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if far, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if near, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close(); far.Close() })
	return near, far
}

// proven is one honest handshake of a client, with the notary as it was before it saw the proof.
func (l lab) proven(t testing.TB, c *Credentials, name string) (Notary, *bulkheadv1.Proof) {
	t.Helper()
	n := c.NewNotary()
	proof := shake(t, l.client(t, name), n, n)
	if proof == nil {
		t.Fatal("there is no proof")
	}
	return *n, proof
}

// judged is what a notary, as it was, makes of a proof.
func judged(n Notary, p *bulkheadv1.Proof) (Verdict, error) { return n.Prove(p) }

func TestAClientIsKnownByItsHandshake(t *testing.T) {
	l := newLab(t)
	n, proof := l.proven(t, l.credentials(t), "alpha")
	v, err := judged(n, proof)
	if err != nil || v.Identity.GetName() != "alpha" {
		t.Errorf("it is %+v, %v", v, err)
	}
	n.proven = true
	if _, err := judged(n, proof); !errors.Is(err, ErrForged) {
		t.Errorf("it was shown twice: %v", err)
	}
}

// TestForgedHandshakes shows handshakes that are not those of the connection, or not the client's.
func TestForgedHandshakes(t *testing.T) {
	l := newLab(t)
	c := l.credentials(t)
	alpha, ofAlpha := l.proven(t, c, "alpha")
	bravo, ofBravo := l.proven(t, c, "bravo")

	relayed := c.NewNotary() // signs for a handshake that another was told of
	told := c.NewNotary()
	ofRelayed := shake(t, l.client(t, "bravo"), told, relayed)

	a, b := split(t, ofAlpha.GetMessages()), split(t, ofBravo.GetMessages())
	mix := func(parts ...[]byte) *bulkheadv1.Proof {
		return &bulkheadv1.Proof{Messages: bytes.Join(parts, nil), HashBits: ofAlpha.GetHashBits()}
	}
	last := len(a)
	for name, tt := range map[string]struct {
		on    Notary
		proof *bulkheadv1.Proof
	}{
		"bravo's on alpha's connection":               {alpha, ofBravo},
		"alpha's on bravo's connection":               {bravo, ofAlpha},
		"before it was signed":                        {*c.NewNotary(), ofAlpha},
		"signed for another connection":               {*relayed, ofRelayed},
		"told for another connection":                 {*told, ofRelayed},
		"bravo's certificate":                         {alpha, mix(join(a[:last-2]), b[last-2], a[last-1])},
		"bravo's certificate and signature":           {alpha, mix(join(a[:last-2]), b[last-2], b[last-1])},
		"bravo's signature":                           {alpha, mix(join(a[:last-1]), b[last-1])},
		"bravo's end":                                 {alpha, mix(join(a[:2]), join(b[2:]))},
		"alpha's begin behind bravo's":                {alpha, mix(join(b[:2]), join(a[2:]))},
		"nothing":                                     {alpha, mix()},
		"without the client's signature":              {alpha, mix(join(a[:last-1]))},
		"twice":                                       {alpha, mix(join(a), join(a))},
		"with another hash":                           {alpha, rehashed(ofAlpha)},
		"with a HelloRetryRequest that there was not": {alpha, mix(a[0], a[1], join(a))},
	} {
		t.Run(name, func(t *testing.T) {
			if v, err := judged(tt.on, tt.proof); !errors.Is(err, ErrForged) || v.Identity != nil {
				t.Errorf("it is taken for %+v, %v", v, err)
			}
		})
	}
	whole := ofAlpha.GetMessages()
	for i := range whole {
		if v, _ := judged(alpha, mix(whole[:i])); v.Identity != nil {
			t.Errorf("its first %d bytes are taken for %v", i, v.Identity)
		}
		changed := bytes.Clone(whole)
		changed[i] ^= 1
		if v, _ := judged(alpha, mix(changed)); v.Identity != nil {
			t.Errorf("with byte %d changed it is taken for %v", i, v.Identity)
		}
	}
}

// rehashed returns a proof that says it has another hash.
func rehashed(p *bulkheadv1.Proof) *bulkheadv1.Proof {
	return &bulkheadv1.Proof{Messages: p.GetMessages(), HashBits: 256 + 384 - p.GetHashBits()}
}

// split returns the messages of a handshake.
func split(t *testing.T, data []byte) (list [][]byte) {
	t.Helper()
	for len(data) > 0 {
		size := messageHeader + int(data[1])<<16 + int(data[2])<<8 + int(data[3])
		list, data = append(list, data[:size]), data[size:]
	}
	return list
}

func join(list [][]byte) []byte { return bytes.Join(list, nil) }

// TestUnknownCertificates judges clients whose handshake is honest and whose certificate is not good.
func TestUnknownCertificates(t *testing.T) {
	l, other := newLab(t), newLab(t)
	c := l.credentials(t)
	foreign := other.client(t, "alpha")
	foreign.RootCAs = l.client(t, "alpha").RootCAs
	n := c.NewNotary()
	v, err := n.Prove(shake(t, foreign, n, n))
	if err != nil || v.Identity != nil || v.Why == nil {
		t.Errorf("a certificate of another CA: %+v, %v", v, err)
	}
	late, proof := l.proven(t, c, "alpha")
	expired := *c
	expired.clocks = func() time.Time { return time.Now().Add(2 * time.Hour) }
	late.with = &expired
	if v, err := judged(late, proof); err != nil || v.Identity != nil || v.Why == nil {
		t.Errorf("an expired certificate: %+v, %v", v, err)
	}
	// A server's certificate is none of a client.
	pair, err := certs.LoadPair(l.file(certs.SupervisorFile), l.file(certs.SupervisorKey))
	if err != nil {
		t.Fatal(err)
	}
	server := l.client(t, "alpha")
	server.Certificates = []tls.Certificate{pair.TLS()}
	n = c.NewNotary()
	if v, err := n.Prove(shake(t, server, n, n)); err != nil || v.Identity != nil || v.Why == nil {
		t.Errorf("a server's certificate: %+v, %v", v, err)
	}
}

// TestTheKeySignsNothingElse asks for signatures of what is no server's CertificateVerify, and for a
// second one.
func TestTheKeySignsNothingElse(t *testing.T) {
	c := newLab(t).credentials(t)
	good := content(serverContext, make([]byte, 32))
	for name, data := range map[string][]byte{
		"nothing":        nil,
		"a hash":         make([]byte, 32),
		"a client's":     content(clientContext, make([]byte, 32)),
		"a short hash":   content(serverContext, make([]byte, 31)),
		"a long hash":    content(serverContext, make([]byte, 33)),
		"a longer hash":  content(serverContext, make([]byte, 64)),
		"one space less": good[1:],
		"one space more": append([]byte{' '}, good...),
		"another space":  bytes.Replace(good, []byte(" "), []byte("\t"), 1),
		"another word":   bytes.Replace(good, []byte("server"), []byte("Server"), 1),
		"no zero":        bytes.Replace(good, []byte{'y', 0}, []byte{'y', 1}, 1),
	} {
		n := c.NewNotary()
		if s, err := n.Sign(&bulkheadv1.Sign{Content: data}); s != nil || !errors.Is(err, ErrForged) {
			t.Errorf("%s was signed: %v", name, err)
		}
	}
	n := c.NewNotary()
	for i := range 2 {
		s, err := n.Sign(&bulkheadv1.Sign{Content: good})
		if signed := s != nil && err == nil; signed != (i == 0) {
			t.Errorf("signature %d: %v", i+1, err)
		}
	}
}

// FuzzSign is an attacker who has a handler: whatever is signed has the one form.
func FuzzSign(f *testing.F) {
	c := newLab(f).credentials(f)
	f.Add(content(serverContext, make([]byte, 32)), uint32(0))
	f.Add(content(serverContext, make([]byte, 48)), uint32(256))
	f.Add(content(clientContext, make([]byte, 32)), uint32(512))
	f.Fuzz(func(t *testing.T, data []byte, bits uint32) {
		n := c.NewNotary()
		s, err := n.Sign(&bulkheadv1.Sign{Content: data, HashBits: bits})
		head := content(serverContext, nil)
		size := len(data) - len(head)
		if ok := bytes.HasPrefix(data, head) && (size == 32 || size == 48); ok != (s != nil) || ok != (err == nil) {
			t.Errorf("%q: signed %v, %v", data, s != nil, err)
		}
		again, err := n.Sign(&bulkheadv1.Sign{Content: data, HashBits: bits})
		if s != nil && (again != nil || err == nil) {
			t.Error("it was signed twice")
		}
	})
}

// FuzzProve is an attacker who has a handler of alpha: nothing but alpha's own handshake proves anything.
func FuzzProve(f *testing.F) {
	l := newLab(f)
	c := l.credentials(f)
	n, proof := l.proven(f, c, "alpha")
	f.Add([]byte{}, uint(0), proof.GetHashBits())
	f.Add([]byte{messageHash, 0, 0, 0}, uint(4), uint32(384))
	f.Fuzz(func(t *testing.T, patch []byte, at uint, bits uint32) {
		data := bytes.Clone(proof.GetMessages())
		changed := false
		for i, b := range patch {
			if where := at + uint(i); where < uint(len(data)) && data[where] != b {
				data[where], changed = b, true
			}
		}
		v, err := judged(n, &bulkheadv1.Proof{Messages: data, HashBits: bits})
		if changed && v.Identity != nil {
			t.Errorf("a changed handshake proves %v", v.Identity)
		}
		own := !changed && (bits == 384) == (proof.GetHashBits() == 384)
		if own && (err != nil || v.Identity.GetName() != "alpha") {
			t.Errorf("the handshake itself proves nothing: %+v, %v", v, err)
		}
		_, _ = takeApart(patch)
	})
}
