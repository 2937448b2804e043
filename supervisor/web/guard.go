package web

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// answerTimeout is how long an answer may take to be written; /events has its own.
const answerTimeout = 30 * time.Second

// guard answers what must not be answered otherwise:
//
//   - Everything but GET and HEAD, and requests with a body: nothing here changes
//     anything.
//   - On a loopback address, requests for a host that has a name: a page of another site
//     whose name was made to point here (DNS rebinding) asks for its own name.
//   - Requests for data that a browser makes for a page of another site: it could not
//     read the answer, but it could hold connections.
//
// It also says to browsers that nothing is to be stored, framed, guessed or fetched from
// elsewhere.
func guard(loopback bool, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			h.Set("Allow", "GET, HEAD")
			refuse(w, http.StatusMethodNotAllowed, "only GET and HEAD: nothing can be changed here")
			return
		}
		if r.ContentLength != 0 {
			refuse(w, http.StatusBadRequest, "a request with a body is not understood")
			return
		}
		if loopback && !ownHost(r.Host) {
			refuse(w, http.StatusForbidden, "this address is for this machine alone; ask for it as 127.0.0.1 or localhost")
			return
		}
		if site := r.Header.Get("Sec-Fetch-Site"); r.URL.Path != "/" && (site == "cross-site" || site == "same-site") {
			refuse(w, http.StatusForbidden, "not for pages of other sites")
			return
		}
		// A connection that cannot have a deadline has none to fear: it is a test's.
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerTimeout))
		next.ServeHTTP(w, r)
	})
}

// refuse answers that something is not done, and hangs up: there may be a body on the
// way that nobody waits for.
func refuse(w http.ResponseWriter, status int, why string) {
	w.Header().Set("Connection", "close")
	_ = http.NewResponseController(w).SetReadDeadline(time.Now()) // see guard
	http.Error(w, why, status)
}

// ownHost reports whether a Host header names no machine: an IP address, or localhost.
func ownHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if strings.EqualFold(host, "localhost") {
		return true
	}
	_, err := netip.ParseAddr(host)
	return err == nil
}

// Loopback reports whether an address can be reached from its own machine alone.
func Loopback(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}
