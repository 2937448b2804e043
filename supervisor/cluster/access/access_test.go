package access

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bulkhead/internal/certs"
)

func TestParse(t *testing.T) {
	for _, one := range []struct{ text, want, run, wrong string }{
		{"nats://a:4222,b:4223,c/run-1", "nats://a:4222,b:4223,c:4222/run-1", "run-1", ""},
		{"tls://a,b", "tls://a:4222,b:4222", "", ""},
		{"nats://a,nats://b:1/r", "nats://a:4222,b:1/r", "r", ""},
		{"nats://a,tls://b,c/r", "nats://a:4222,tls://b:4222,c:4222/r", "r", ""},
		{"nats://a/r,b", "", "", `"a/r" is not the address of an engine's node`},
		{"nats://a,a:4222/", "nats://a:4222", "", ""},
		{"nats://[::1]:4222/r", "nats://[::1]:4222/r", "r", ""},
		{"nats://[::1]/r", "nats://[::1]:4222/r", "r", ""},
		{"nats://10.0.0.1/r", "nats://10.0.0.1:4222/r", "r", ""},
		{"http://a/r", "", "", "is not the address of an engine; use nats://HOST:PORT"},
		{"nats://", "", "", `"" is not the address of an engine's node`},
		{"nats:///r", "", "", `"" is not the address of an engine's node`},
		{"nats://a,,b/r", "", "", `"" is not the address of an engine's node`},
		{"nats://a:0/r", "", "", "there is no port 0"},
		{"nats://a:70000/r", "", "", "there is no port 70000"},
		{"nats://a:x/r", "", "", "is not the address of an engine's node; use HOST:PORT"},
		{"nats://a/r/journal", "", "", "has more than the id of a run behind its nodes"},
		{"nats://eve:secret@a/r", "", "", "no user and password"},
		{"nats://a,eve:secret@b/r", "", "", "no user and password"},
		{"nats://" + strings.Join(strings.Split("abcdefghijklmnopq", ""), ","), "", "", "17 nodes of an engine"},
	} {
		p, err := Parse(one.text)
		switch {
		case one.wrong != "" && (err == nil || !strings.Contains(err.Error(), one.wrong)):
			t.Errorf("%s: %v; want %s", one.text, err, one.wrong)
		case one.wrong == "" && (err != nil || p.String() != one.want || p.Run != one.run):
			t.Errorf("%s: %s, run %q: %v; want %s", one.text, p, p.Run, err, one.want)
		case err != nil && strings.Contains(err.Error(), "secret"):
			t.Errorf("%s: the password is in %v", one.text, err)
		}
	}
}

func TestNodes(t *testing.T) {
	for text, want := range map[string]string{
		"a":                 "[nats://a:4222]",
		"tls://a:1,b,c":     "[tls://a:1 tls://b:4222 tls://c:4222]",
		"a,tls://b,c":       "[nats://a:4222 tls://b:4222 tls://c:4222]",
		"tls://a,nats://b":  "[tls://a:4222 nats://b:4222]",
		"nats://a,nats://a": "[nats://a:4222]",
	} {
		if urls, err := Nodes(strings.Split(text, ",")); err != nil || fmt.Sprint(urls) != want {
			t.Errorf("%s: %s: %v; want %s", text, urls, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("nats://a:4222,[::1],c/run-1")
	f.Add("tls://a")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(p.String())
		if err != nil || again.String() != p.String() || !IsPlace(text) {
			t.Errorf("%q is read as %s, and that as %s: %v", text, p, again, err)
		}
	})
}

// seed is one of an nkey that opens nothing.
const seed = "SUAIBDPBAUTWCWBKIO6XHQNINK5FWJW4OHLXC3HQ2KFE4PEJUA44CNHTC4"

func TestKeyFiles(t *testing.T) {
	dir := t.TempDir()
	plan := certs.Plan{Addresses: []string{"a"}, Clients: []string{"me"}, Valid: time.Hour}
	if _, err := certs.Init(dir, plan); err != nil {
		t.Fatal(err)
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	for name, text := range map[string]string{
		"nkey": seed + "\n", "empty": "",
		"jwt": "-----BEGIN NATS USER JWT-----\ne30.e30.e30\n------END NATS USER JWT------\n\n" +
			"-----BEGIN USER NKEY SEED-----\n" + seed + "\n------END USER NKEY SEED------\n",
	} {
		if err := os.WriteFile(in(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(in("open"), []byte(seed), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, one := range []struct {
		key     Key
		options int
		wrong   string
	}{
		{Key{}, 0, ""},
		{Key{Creds: in("nkey")}, 1, ""},
		{Key{Creds: in("jwt")}, 1, ""},
		{Key{CA: in("ca.crt")}, 1, ""},
		{Key{Creds: in("nkey"), CA: in("ca.crt"), Cert: in("me.crt"), CertKey: in("me.key")}, 2, ""},
		{Key{Creds: in("none")}, 0, "the credentials for the engine: "},
		{Key{Creds: in("open")}, 0, "the credentials for the engine: "},
		{Key{Creds: in("empty")}, 0, "has neither a JWT nor the seed of an nkey"},
		{Key{CA: in("nkey")}, 0, "the CA of the engine: "},
		{Key{Cert: in("me.crt")}, 0, "it needs its key"},
		{Key{CertKey: in("me.key")}, 0, "it needs its key"},
		{Key{Cert: in("me.crt"), CertKey: in("supervisor.key")}, 0, "the certificate for the engine: "},
	} {
		options, err := one.key.Options()
		switch {
		case one.wrong == "" && (err != nil || len(options) != one.options):
			t.Errorf("%+v: %d options: %v", one.key, len(options), err)
		case one.wrong != "" && (err == nil || !strings.Contains(err.Error(), one.wrong)):
			t.Errorf("%+v: %v; want %s", one.key, err, one.wrong)
		}
		if err != nil && strings.Contains(err.Error(), seed) {
			t.Errorf("the seed is in %v", err)
		}
	}
}
