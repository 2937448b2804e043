package web

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"errors"
	"net/http"
	"regexp"
	"strings"
)

//go:embed page.html
var livePage []byte

// inline are the scripts and styles that stand in a page.
var inline = regexp.MustCompile(`(?s)<(script|style)(?:\s[^>]*)?>(.*?)</(?:script|style)>`)

// policy returns a Content-Security-Policy under which a page can be shown: its own inline
// scripts and styles, by their hashes, pictures in it, and what more says; nothing else.
func policy(page []byte, more ...string) string {
	sources := map[string][]string{"script": {}, "style": {}}
	for _, m := range inline.FindAllSubmatch(page, -1) {
		sum := sha256.Sum256(m[2])
		kind := string(m[1])
		sources[kind] = append(sources[kind], "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'")
	}
	list := func(kind string) string {
		if len(sources[kind]) == 0 {
			return "'none'"
		}
		return strings.Join(sources[kind], " ")
	}
	return "default-src 'none'; script-src " + list("script") + "; style-src " + list("style") +
		"; img-src data:; base-uri 'none'; form-action 'none'; " + strings.Join(more, "; ")
}

// pageHandler serves a page that stands alone.
func pageHandler(page []byte) http.HandlerFunc {
	rules := policy(page, "connect-src 'self'", "frame-src 'self'", "frame-ancestors 'none'")
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", rules)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(page) // a browser that is gone needs no page
	}
}

// reportPage serves the report of the run so far as the page that report.html will be.
func (s *Server) reportPage(w http.ResponseWriter, r *http.Request) {
	answerPage(w, s.folding.soFar(r.Context(), asPage))
}

// pageBefore serves the report of the run before the one that is served, and nothing if
// there was none.
func (s *Server) pageBefore(w http.ResponseWriter, r *http.Request) {
	b := s.folding.soFar(r.Context(), asBefore)
	if errors.Is(b.err, errNoneBefore) {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	answerPage(w, b)
}

func answerPage(w http.ResponseWriter, b built) {
	if b.err != nil {
		answerJSON(w, nil, b.err)
		return
	}
	w.Header().Set("Content-Security-Policy", b.policy)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(b.data) // a browser that is gone needs no page
}
