package certs

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestInit(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "certs")
	plan := Plan{Addresses: []string{"collector", "10.0.0.1", "::1"}, Clients: []string{"alpha", "bravo"},
		Nodes: []string{"n1", "10.0.0.2"}, Valid: time.Hour}
	made, err := Init(dir, plan)
	if err != nil {
		t.Fatal(err)
	}
	if len(made) != 12 {
		t.Errorf("made %v", made)
	}
	for _, name := range made {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, ".key") != (info.Mode().Perm() == 0o600) {
			t.Errorf("%s has the mode %v", name, info.Mode())
		}
	}
	pool, err := LoadPool(filepath.Join(dir, CAFile))
	if err != nil {
		t.Fatal(err)
	}
	server, err := LoadPair(filepath.Join(dir, SupervisorFile), filepath.Join(dir, SupervisorKey))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"collector", "10.0.0.1", "::1"} {
		if _, err := server.Leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: name}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := server.Leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: "another"}); err == nil {
		t.Error("the certificate is good for any name")
	}
	for _, name := range plan.Clients {
		cert, key := Files(name)
		client, err := LoadPair(filepath.Join(dir, cert), filepath.Join(dir, key))
		if err != nil {
			t.Fatal(err)
		}
		_, err = client.Leaf.Verify(x509.VerifyOptions{Roots: pool,
			KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
		if err != nil || client.Leaf.Subject.CommonName != name {
			t.Errorf("%s: %v, %v", name, client.Leaf.Subject, err)
		}
		if _, err := client.Leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: "collector"}); err == nil {
			t.Errorf("%s can be the supervisor", name)
		}
	}
	for _, name := range plan.Nodes { // is server and client
		cert, key := Files(name)
		node, err := LoadPair(filepath.Join(dir, cert), filepath.Join(dir, key))
		if err != nil {
			t.Fatal(err)
		}
		for _, use := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
			if _, err := node.Leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: name,
				KeyUsages: []x509.ExtKeyUsage{use}}); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// TestNothingIsWrittenOver leaves every file as it was, and no file that is new, where one is in the way.
func TestNothingIsWrittenOver(t *testing.T) {
	for _, taken := range []string{"ca.key", "ca.crt", "supervisor.key", "alpha.crt"} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, taken), []byte("mine"), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Init(dir, Plan{Clients: []string{"alpha"}, Valid: time.Hour}); err == nil ||
			!strings.Contains(err.Error(), taken) {
			t.Errorf("%s: %v", taken, err)
		}
		left, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := os.ReadFile(filepath.Join(dir, taken)); string(text) != "mine" || err != nil || len(left) != 1 {
			t.Errorf("%s is %q, %v; there are %v", taken, text, err, left)
		}
	}
	for _, name := range []string{"", "ca", "supervisor", "../x", ".x", "a/b", "a b"} {
		dir := t.TempDir()
		if _, err := Init(dir, Plan{Clients: []string{name}, Valid: time.Hour}); err == nil {
			t.Errorf("%q is the name of a file", name)
		}
		if left, _ := os.ReadDir(dir); len(left) > 0 {
			t.Errorf("%q left %v", name, left)
		}
	}
}

// TestBadFiles reads what is no certificate, or no secret.
func TestBadFiles(t *testing.T) {
	dir := t.TempDir()
	if _, err := Init(dir, Plan{Addresses: []string{"a"}, Clients: []string{"alpha"}, Valid: time.Hour}); err != nil {
		t.Fatal(err)
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	if _, err := LoadPair(in("alpha.crt"), in("supervisor.key")); err == nil {
		t.Error("the key of another certificate is taken")
	}
	if _, err := LoadPair(in("alpha.key"), in("alpha.key")); err == nil {
		t.Error("a key is taken for a certificate")
	}
	for _, mode := range []os.FileMode{0o604, 0o620, 0o602, 0o777} {
		if err := os.Chmod(in("alpha.key"), mode); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadPair(in("alpha.crt"), in("alpha.key")); err == nil || !strings.Contains(err.Error(), "chmod") {
			t.Errorf("a key of mode %v: %v", mode, err)
		}
	}
	if err := os.Chmod(in("alpha.key"), 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadPair(in("alpha.crt"), in("alpha.key")); err != nil {
		t.Errorf("a key for a group: %v", err)
	}
	for name, read := range map[string]func(string) error{
		"all":    func(path string) error { _, err := LoadAll(path); return err },
		"pool":   func(path string) error { _, err := LoadPool(path); return err },
		"secret": func(path string) error { _, err := ReadSecret(path); return err },
	} {
		for _, path := range []string{dir, in("missing"), "/dev/zero"} {
			if read(path) == nil {
				t.Errorf("%s: %s was read", name, path)
			}
		}
	}
	list, err := LoadAll(in(CAFile))
	if err != nil || len(list) != 1 || !strings.HasPrefix(list[0].Subject.CommonName, "bulkhead lab CA ") {
		t.Errorf("%v, %v", list, err)
	}
}
