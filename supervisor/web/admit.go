package web

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
)

// admit lets those look who have the token, as a bearer token or as the password of whatever user,
// or a certificate of a client that is known. That the supervisor is there, everybody may ask. With
// neither a token nor certificates, everybody may look.
func (s *Server) admit(next http.Handler) http.Handler {
	if s.cfg.Token == nil && s.cfg.Certificate == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/healthz" || s.hasToken(r) ||
			s.cfg.Certificate != nil && r.TLS != nil && s.cfg.Certificate(r.TLS) {
			next.ServeHTTP(w, r)
			return
		}
		why := "a certificate of a client is required"
		if s.cfg.Token != nil {
			w.Header().Set("WWW-Authenticate", `Basic realm="bulkhead", charset="UTF-8"`)
			w.Header().Add("WWW-Authenticate", "Bearer")
			why = "the token of http.token_file is required, as a bearer token or as a password"
		}
		refuse(w, http.StatusUnauthorized, why)
	})
}

// hasToken reports whether a request has the token. How long that takes does not tell what is wrong.
func (s *Server) hasToken(r *http.Request) bool {
	if s.cfg.Token == nil {
		return false
	}
	_, given, _ := r.BasicAuth()
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "Bearer") {
		given = strings.TrimSpace(token)
	}
	got, want := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(s.cfg.Token()))
	return subtle.ConstantTimeCompare(got[:], want[:]) == 1
}
