package supervisor_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bulkhead/internal/exitstatus"
	"bulkhead/internal/testing/rawclient"
	"bulkhead/supervisor"
)

// TestHTTPToken serves the page over TLS, to those who have the token.
func TestHTTPToken(t *testing.T) {
	l := newLab(t)
	file := filepath.Join(t.TempDir(), "token")
	const secret = "a secret of some length"
	must(t, os.WriteFile(file, []byte(secret+"\n"), 0o600))
	r := start(t, func(cfg *supervisor.Config) {
		l.secure(cfg)
		cfg.HTTP.Listen, cfg.HTTP.TokenFile = "127.0.0.1:0", file
	})
	web := &http.Client{Transport: &http.Transport{TLSClientConfig: l.trusting(t, ""), DisableKeepAlives: true}}
	for _, tt := range []struct {
		path, user, bearer string
		want               int
	}{
		{"/api/status", "", "", http.StatusUnauthorized},
		{"/", "", "", http.StatusUnauthorized},
		{"/metrics", "", "another secret of length", http.StatusUnauthorized},
		{"/api/status", "another secret of length", "", http.StatusUnauthorized},
		{"/healthz", "", "", http.StatusOK},
		{"/api/status", "", secret, http.StatusOK},
		{"/", secret, "", http.StatusOK},
	} {
		ask, err := http.NewRequest(http.MethodGet, "https://"+r.http+tt.path, nil)
		must(t, err)
		if tt.user != "" {
			ask.SetBasicAuth("anybody", tt.user)
		}
		if tt.bearer != "" {
			ask.Header.Set("Authorization", "Bearer "+tt.bearer)
		}
		answer, err := web.Do(ask)
		must(t, err)
		_, _ = io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
		if answer.StatusCode != tt.want {
			t.Errorf("%+v: got %s", tt, answer.Status)
		}
	}
	if _, err := tls.Dial("tcp", r.http, &tls.Config{}); err == nil {
		t.Error("a certificate of a CA that nobody knows is taken")
	}
	must(t, load(r.dialTLS(l.trusting(t, "")), rawclient.Hello("alpha")))
	r.wait()
}

// TestHTTPForAllNeedsASecret starts nothing that others could look at without a word.
func TestHTTPForAllNeedsASecret(t *testing.T) {
	cfg := settings(filepath.Join(t.TempDir(), "state"))
	cfg.HTTP.Listen = "0.0.0.0:0"
	_, err := supervisor.Run(t.Context(), cfg, nil)
	if !errors.Is(err, exitstatus.ErrConfig) || !strings.Contains(err.Error(), "http.token_file") {
		t.Errorf("got %v", err)
	}
}
