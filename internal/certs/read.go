package certs

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"

	"bulkhead/internal/ownfile"
)

// maxFileBytes bounds a file that is read: the bundles of public CAs have a quarter of it.
const maxFileBytes = 1 << 20

// minRSABits is the smallest RSA key that is used.
const minRSABits = 2048

// Pair is a certificate with its key.
type Pair struct {
	// Chain has the certificate, and those up to its CA, in DER; Leaf is the first of them.
	Chain [][]byte
	Leaf  *x509.Certificate
	Key   crypto.Signer
}

// TLS returns the pair as package tls takes it.
func (p Pair) TLS() tls.Certificate {
	return tls.Certificate{Certificate: p.Chain, PrivateKey: p.Key, Leaf: p.Leaf}
}

// LoadPair reads a certificate and its key, both in PEM. Nobody but the key's owner and its group
// may be able to read it.
func LoadPair(certFile, keyFile string) (Pair, error) {
	chain, err := read(certFile, false)
	if err != nil {
		return Pair{}, err
	}
	secret, err := read(keyFile, true)
	if err != nil {
		return Pair{}, err
	}
	if _, err := blocks(certFile, chain); err != nil {
		return Pair{}, err
	}
	both, err := tls.X509KeyPair(chain, secret)
	clear(secret)
	if err != nil {
		return Pair{}, fmt.Errorf("%s with %s: %w", certFile, keyFile, err)
	}
	signer, ok := both.PrivateKey.(crypto.Signer)
	if !ok || !usable(signer.Public()) {
		return Pair{}, fmt.Errorf("%s: use a key of ECDSA, of Ed25519, or of RSA with at least %d bits", keyFile,
			minRSABits)
	}
	return Pair{Chain: both.Certificate, Leaf: both.Leaf, Key: signer}, nil
}

// usable reports whether TLS 1.3 signs with a kind of key.
func usable(public crypto.PublicKey) bool {
	switch k := public.(type) {
	case *ecdsa.PublicKey:
		return k.Curve.Params().BitSize >= 256
	case ed25519.PublicKey:
		return true
	case *rsa.PublicKey:
		return k.N.BitLen() >= minRSABits
	default:
		return false
	}
}

// LoadAll reads all certificates of a file in PEM, of which there must be one at least.
func LoadAll(file string) ([]*x509.Certificate, error) {
	text, err := read(file, false)
	if err != nil {
		return nil, err
	}
	ders, err := blocks(file, text)
	if err != nil {
		return nil, err
	}
	var list []*x509.Certificate
	for i, der := range ders {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("%s: certificate %d: %w", file, i+1, err)
		}
		list = append(list, c)
	}
	return list, nil
}

// LoadPool reads the certificates of CAs.
func LoadPool(file string) (*x509.CertPool, error) {
	list, err := LoadAll(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	for _, c := range list {
		pool.AddCert(c)
	}
	return pool, nil
}

// blocks returns the certificates of a text in PEM, in DER.
func blocks(file string, text []byte) ([][]byte, error) {
	var list [][]byte
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type == "CERTIFICATE" {
			list = append(list, block.Bytes)
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s has no certificate in PEM (-----BEGIN CERTIFICATE-----)", file)
	}
	return list, nil
}

// ReadSecret reads a text that nobody but its owner and its group may be able to read, without the
// white space around it.
func ReadSecret(file string) (string, error) {
	text, err := read(file, true)
	return string(bytes.TrimSpace(text)), err
}

// read reads a file that a setting names.
func read(file string, secret bool) ([]byte, error) {
	if secret {
		return ownfile.ReadSecret(file, maxFileBytes)
	}
	return ownfile.ReadNamed(file, maxFileBytes)
}
