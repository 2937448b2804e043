package identity

import (
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"bulkhead/internal/certs"
	"bulkhead/internal/config"
	"bulkhead/internal/ownfile"
	"bulkhead/internal/protocol"
	"bulkhead/internal/tokens"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Credentials are what the files had when they were read. Nobody changes them.
type Credentials struct {
	pair   *certs.Pair // nil without TLS
	clocks func() time.Time
	// roots has the CAs of clients, and pinned the certificates of clients by their DER; nil for
	// none.
	roots  *x509.CertPool
	pinned map[string]*x509.Certificate
	names  map[string]bool // of pinned
	tokens tokens.Set
	shared string
	http   string // what whoever looks over http must present; "" for nothing
	// asks says that tokens of clients are asked for.
	asks bool
}

// Load reads what the settings name.
func Load(cfg config.Supervisor) (*Credentials, error) {
	c := &Credentials{clocks: time.Now, shared: cfg.Token, asks: cfg.Tokens != ""}
	if cfg.TLS.Cert != "" {
		pair, err := certs.LoadPair(cfg.TLS.Cert, cfg.TLS.Key)
		if err != nil {
			return nil, fmt.Errorf("tls: %w", err)
		}
		c.pair = &pair
	}
	if cfg.TLS.ClientCA != "" {
		var err error
		if c.roots, err = certs.LoadPool(cfg.TLS.ClientCA); err != nil {
			return nil, fmt.Errorf("tls.client_ca: %w", err)
		}
	}
	if cfg.TLS.Pinned != "" {
		list, err := certs.LoadAll(cfg.TLS.Pinned)
		if err != nil {
			return nil, fmt.Errorf("tls.pinned: %w", err)
		}
		c.pinned, c.names = make(map[string]*x509.Certificate), make(map[string]bool)
		for _, one := range list {
			name, err := nameOf(one)
			if err != nil {
				return nil, fmt.Errorf("tls.pinned: %s: %w", cfg.TLS.Pinned, err)
			}
			c.pinned[string(one.Raw)], c.names[name] = one, true
		}
	}
	if cfg.TokenFile != "" {
		var err error
		if c.shared, err = tokens.ReadFile(cfg.TokenFile); err != nil {
			return nil, fmt.Errorf("token_file: %w", err)
		}
	}
	if cfg.Tokens != "" {
		text, err := ownfile.ReadSecret(cfg.Tokens, tokens.MaxFileBytes)
		if err == nil {
			c.tokens, err = tokens.Parse(text)
		}
		if err != nil {
			return nil, fmt.Errorf("tokens: %s: %w", cfg.Tokens, err)
		}
	}
	if cfg.HTTP.TokenFile != "" {
		var err error
		if c.http, err = certs.ReadSecret(cfg.HTTP.TokenFile); err == nil && len(c.http) < leastToken {
			err = fmt.Errorf("%s has fewer than %d bytes, which can be guessed", cfg.HTTP.TokenFile, leastToken)
		}
		if err != nil {
			return nil, fmt.Errorf("http.token_file: %w", err)
		}
	}
	return c, nil
}

// leastToken is how long a secret is at least that anybody may guess at over http.
const leastToken = 16

// HTTPToken is what whoever looks over http must present; "" for nothing.
func (c *Credentials) HTTPToken() string { return c.http }

// TLS is the certificate with its key; nil without TLS.
func (c *Credentials) TLS() *certs.Pair { return c.pair }

// AsksCertificate reports whether clients are asked for certificates.
func (c *Credentials) AsksCertificate() bool {
	return c.pair != nil && (c.roots != nil || c.pinned != nil)
}

// Certificate is what an operator needs to know of the certificate; nil without TLS.
func (c *Credentials) Certificate() *bulkheadv1.Certificate {
	if c.pair == nil {
		return nil
	}
	leaf := c.pair.Leaf
	name := leaf.Subject.CommonName
	if len(leaf.DNSNames) > 0 {
		name = leaf.DNSNames[0]
	}
	return &bulkheadv1.Certificate{Name: name, NotAfterUnixNano: leaf.NotAfter.UnixNano()}
}

// nameOf returns the name that a certificate of a client has.
func nameOf(c *x509.Certificate) (string, error) {
	name := c.Subject.CommonName
	if err := protocol.CheckName(name); err != nil {
		return "", fmt.Errorf("the common name of the certificate: %w", err)
	}
	return name, nil
}

var (
	errUnknown  = errors.New("it is not one of those that are pinned")
	errTooLarge = errors.New("it is too large")
)

const (
	// maxCertificate bounds a certificate of a client that is parsed, and maxChain how many of
	// CAs may come with it.
	maxCertificate = 8 << 10
	maxChain       = 3
)

// judge returns whose certificate the first of a chain is, and the certificate with its key, if it
// is one that is known.
func (c *Credentials) judge(chain [][]byte) (name string, leaf *x509.Certificate, err error) {
	if leaf = c.pinned[string(chain[0])]; leaf != nil {
		switch now := c.clocks(); { // the key is the trusted file's
		case now.Before(leaf.NotBefore):
			return "", nil, fmt.Errorf("it is not valid before %s", leaf.NotBefore.UTC().Format(time.RFC3339))
		case now.After(leaf.NotAfter):
			return "", nil, fmt.Errorf("it has expired on %s", leaf.NotAfter.UTC().Format(time.RFC3339))
		}
		name, err = nameOf(leaf)
		return name, leaf, err
	}
	if c.roots == nil {
		return "", nil, errUnknown
	}
	if len(chain) > 1+maxChain {
		return "", nil, fmt.Errorf("it comes with %d others; at most %d are looked at", len(chain)-1, maxChain)
	}
	between := x509.NewCertPool()
	for i, der := range chain {
		if len(der) > maxCertificate {
			return "", nil, errTooLarge
		}
		one, err := x509.ParseCertificate(der)
		if err != nil {
			return "", nil, err
		}
		if i == 0 {
			leaf = one
		} else {
			between.AddCert(one)
		}
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: c.roots, Intermediates: between, CurrentTime: c.clocks(),
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		return "", nil, err
	}
	name, err = nameOf(leaf)
	return name, leaf, err
}

// Client reports whether a certificate of a client that package tls has verified the key of is one
// that is known; the others of the chain are those that came with it.
func (c *Credentials) Client(chain []*x509.Certificate) error {
	var ders [][]byte
	for _, one := range chain {
		ders = append(ders, one.Raw)
	}
	if len(ders) == 0 || !c.AsksCertificate() {
		return errUnknown
	}
	_, _, err := c.judge(ders)
	return err
}
