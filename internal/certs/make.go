package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"bulkhead/internal/wholefile"
)

// The files of a lab, in its folder. Those of a client are named for it.
const (
	CAFile         = "ca" + certSuffix
	SupervisorFile = "supervisor" + certSuffix
	SupervisorKey  = "supervisor" + keySuffix
	caKey          = "ca" + keySuffix
	certSuffix     = ".crt"
	keySuffix      = ".key"
)

// Files returns the files of the certificate and the key of a client or a node.
func Files(name string) (cert, key string) { return name + certSuffix, name + keySuffix }

// Plan says which certificates a lab needs.
type Plan struct {
	// Addresses are the names and IP addresses by which clients reach the supervisor.
	Addresses []string
	// Clients are the names of the clients.
	Clients []string
	// Nodes are the names or IP addresses of the nodes of an engine, which are server and client to
	// each other.
	Nodes []string
	// Valid is how long the certificates are; the CA is ten times as long.
	Valid time.Duration
}

// clientForm is what a client can be called whose name is that of a file.
var clientForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// check returns what is wrong with a plan.
func (p Plan) check() error {
	seen := []string{"ca", "supervisor"}
	for i, name := range append(slices.Clone(p.Clients), p.Nodes...) {
		kind := "client"
		if i >= len(p.Clients) {
			kind = "node"
		}
		switch {
		case !clientForm.MatchString(name):
			return fmt.Errorf("%s %q: use at most 64 letters, digits, dots, dashes and underlines, a letter or a "+
				"digit first", kind, name)
		case slices.Contains(seen, name):
			return fmt.Errorf("%s %q: the name is taken", kind, name)
		}
		seen = append(seen, name)
	}
	for _, address := range p.Addresses {
		if address == "" || strings.ContainsAny(address, " /%[]") {
			return fmt.Errorf("address %q is neither a name nor an IP address", address)
		}
	}
	return nil
}

// Init makes the certificates of a lab in a folder, and the folder if it is not there. It returns
// the names of the files. If it cannot make all of them it makes none.
func Init(dir string, p Plan) (made []string, err error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder for certificates: %w", err)
	}
	defer func() {
		if err != nil {
			for _, name := range made {
				_ = os.Remove(filepath.Join(dir, name)) // why it is not needed is more important
			}
			made = nil
		}
	}()
	keep := func(one *issued, cert, key string) error {
		for _, f := range []struct {
			name string
			mode os.FileMode
			data []byte
		}{{key, 0o600, one.key}, {cert, 0o644, one.cert}} {
			if err := create(filepath.Join(dir, f.name), f.mode, f.data); err != nil {
				return err
			}
			made = append(made, f.name)
		}
		return nil
	}
	ca, err := newCA(10 * p.Valid)
	if err != nil {
		return nil, err
	}
	if err := keep(ca, CAFile, caKey); err != nil {
		return made, err
	}
	server, err := ca.issue(serverTemplate(p))
	if err != nil {
		return made, err
	}
	if err := keep(server, SupervisorFile, SupervisorKey); err != nil {
		return made, err
	}
	for i, name := range append(slices.Clone(p.Clients), p.Nodes...) {
		t := clientTemplate(name, p.Valid)
		if i >= len(p.Clients) {
			t = nodeTemplate(name, p.Valid)
		}
		one, err := ca.issue(t)
		if err != nil {
			return made, err
		}
		cert, key := Files(name)
		if err := keep(one, cert, key); err != nil {
			return made, err
		}
	}
	return made, nil
}

// create writes a new file, and syncs it.
func create(path string, mode os.FileMode, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already, and is not written over", path)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		_ = os.Remove(path) // it is not whole
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return wholefile.SyncFolder(filepath.Dir(path))
}

// issued is a certificate with its key.
type issued struct {
	parsed    *x509.Certificate
	signer    *ecdsa.PrivateKey
	cert, key []byte // in PEM
}

// early is how much earlier than now certificates are valid, for clocks that are behind.
const early = time.Hour

func template(name string, valid time.Duration) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, NotBefore: now.Add(-early), NotAfter: now.Add(valid),
		KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true,
	}
}

func serverTemplate(p Plan) *x509.Certificate {
	t := template("bulkhead supervisor", p.Valid)
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	addressed(t, p.Addresses)
	return t
}

// addressed makes a template that of a certificate for these names and IP addresses.
func addressed(t *x509.Certificate, addresses []string) {
	for _, address := range addresses {
		if ip := net.ParseIP(address); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, address)
		}
	}
}

func nodeTemplate(name string, valid time.Duration) *x509.Certificate {
	t := template(name, valid)
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	addressed(t, []string{name})
	return t
}

func clientTemplate(name string, valid time.Duration) *x509.Certificate {
	t := template(name, valid)
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	return t
}

// newCA makes a CA that certifies itself.
func newCA(valid time.Duration) (*issued, error) {
	mark := make([]byte, 4)
	rand.Read(mark) // never fails
	t := template("bulkhead lab CA "+hex.EncodeToString(mark), valid)
	t.IsCA, t.MaxPathLenZero, t.KeyUsage = true, true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
	return issue(t, nil)
}

func (ca *issued) issue(t *x509.Certificate) (*issued, error) { return issue(t, ca) }

// issue makes a key and its certificate, by ca, or by itself if that is nil.
func issue(t *x509.Certificate, ca *issued) (*issued, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	if t.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)); err != nil {
		return nil, fmt.Errorf("making a serial number: %w", err)
	}
	parent, signer := t, key
	if ca != nil {
		parent, signer = ca.parsed, ca.signer
	}
	der, err := x509.CreateCertificate(rand.Reader, t, parent, key.Public(), signer)
	if err != nil {
		return nil, fmt.Errorf("making a certificate: %w", err)
	}
	out := &issued{signer: key, cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
	if out.parsed, err = x509.ParseCertificate(der); err != nil {
		return nil, fmt.Errorf("reading the certificate that was made: %w", err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encoding a key: %w", err)
	}
	out.key = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
	return out, nil
}
