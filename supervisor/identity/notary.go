package identity

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/subtle"
	"errors"
	"fmt"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// randomBytes is the length of ServerHello.random.
const randomBytes = 32

// ErrForged is wrapped when a handler asks for what no honest one does, or shows it.
var ErrForged = errors.New("the handler forged a TLS handshake")

// Notary signs the TLS handshake of one connection, and sees who is at its other end. One goroutine
// uses it.
type Notary struct {
	with   *Credentials
	random []byte
	signed []byte // the hash that was signed; nil before that
	proven bool
}

// NewNotary returns the notary of one connection; nil without TLS.
func (c *Credentials) NewNotary() *Notary {
	if c.pair == nil {
		return nil
	}
	n := &Notary{with: c, random: make([]byte, randomBytes)}
	rand.Read(n.random) // never fails
	return n
}

// Secure returns what the handler is told.
func (n *Notary) Secure() *bulkheadv1.Secure {
	return &bulkheadv1.Secure{Chain: n.with.pair.Chain, Random: n.random, Ask: n.with.AsksCertificate()}
}

// Sign signs the server's CertificateVerify: one, and nothing but that.
func (n *Notary) Sign(ask *bulkheadv1.Sign) ([]byte, error) {
	if n.signed != nil {
		return nil, fmt.Errorf("%w: it asked for a second signature", ErrForged)
	}
	head := content(serverContext, nil)
	hash, ok := bytes.CutPrefix(ask.GetContent(), head)
	if !ok || len(hash) != crypto.SHA256.Size() && len(hash) != crypto.SHA384.Size() {
		return nil, fmt.Errorf("%w: it asked to sign %d bytes that are no CertificateVerify of a server", ErrForged,
			len(ask.GetContent()))
	}
	n.signed = bytes.Clone(hash)
	switch key := n.with.pair.Key.Public().(type) {
	case ed25519.PublicKey:
		return n.sign(ask.GetContent(), crypto.Hash(0))
	case *ecdsa.PublicKey:
		by := crypto.SHA256
		switch bits := key.Curve.Params().BitSize; {
		case bits > 384:
			by = crypto.SHA512
		case bits > 256:
			by = crypto.SHA384
		}
		return n.sign(sum(by, ask.GetContent()), by)
	case *rsa.PublicKey:
		by, known := map[uint32]crypto.Hash{256: crypto.SHA256, 384: crypto.SHA384,
			512: crypto.SHA512}[ask.GetHashBits()]
		if !known {
			return nil, fmt.Errorf("%w: it asked for a signature with a hash of %d bits", ErrForged, ask.GetHashBits())
		}
		return n.sign(sum(by, ask.GetContent()), &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: by})
	default:
		return nil, fmt.Errorf("signing with a key of an unknown kind: %T", key)
	}
}

func (n *Notary) sign(digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	signature, err := n.with.pair.Key.Sign(rand.Reader, digest, opts)
	if err != nil {
		return nil, fmt.Errorf("signing a TLS handshake: %w", err)
	}
	return signature, nil
}

// Verdict is who showed a handshake.
type Verdict struct {
	// Identity is who it is; nil if the certificate is none that is known.
	Identity *bulkheadv1.Identity
	// Why is what is wrong with the certificate, then.
	Why error
}

// Prove says who is at the other end of the connection. It returns an error for what no honest
// handler shows.
func (n *Notary) Prove(p *bulkheadv1.Proof) (v Verdict, err error) {
	defer func() { // a certificate is parsed that anybody may have made
		if broke := recover(); broke != nil {
			v, err = Verdict{}, fmt.Errorf("%w: what it showed cannot be read: %v", ErrForged, broke)
		}
	}()
	h := crypto.SHA256
	if p.GetHashBits() == 384 {
		h = crypto.SHA384
	}
	if n.proven || n.signed == nil || !n.with.AsksCertificate() || len(n.signed) != h.Size() {
		return Verdict{}, fmt.Errorf("%w: it showed one that it was not asked for", ErrForged)
	}
	n.proven = true
	t, err := takeApart(p.GetMessages())
	if err != nil {
		return Verdict{}, fmt.Errorf("%w: %w", ErrForged, err)
	}
	if subtle.ConstantTimeCompare(t.random, n.random) != 1 ||
		subtle.ConstantTimeCompare(sum(h, t.toServer), n.signed) != 1 {
		return Verdict{}, fmt.Errorf("%w: it showed that of another connection", ErrForged)
	}
	name, leaf, err := n.with.judge(t.chain)
	if err != nil {
		return Verdict{Why: err}, nil
	}
	if err := t.verify(leaf, h); err != nil {
		return Verdict{}, fmt.Errorf("%w: %w", ErrForged, err)
	}
	return Verdict{Identity: &bulkheadv1.Identity{
		Kind: bulkheadv1.IdentityKind_IDENTITY_KIND_CERTIFICATE, Name: name}}, nil
}
