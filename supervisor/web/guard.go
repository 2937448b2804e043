package web

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
)

// answerTimeout is how long an answer may take to be written; /events has its own.
const answerTimeout = 30 * time.Second

// guard answers what must not be answered otherwise:
//
//   - Everything but GET and HEAD, and requests with a body: nothing here changes
//     anything.
//   - Requests for a host that is not known to be this one: a page of another site whose
//     name was made to point here (DNS rebinding) asks for its own name.
//   - Requests for data that a browser makes for a page of another site: it could not
//     read the answer, but it could hold connections.
//
// It also says to browsers that nothing is to be stored, framed, guessed or fetched from
// elsewhere.
func guard(own hosts, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Content-Security-Policy",
			"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			h.Set("Allow", "GET, HEAD")
			refuse(w, http.StatusMethodNotAllowed, "only GET and HEAD: nothing can be changed here")
			return
		}
		if r.ContentLength != 0 {
			refuse(w, http.StatusBadRequest, "a request with a body is not understood")
			return
		}
		if !own.has(r.Host) {
			refuse(w, http.StatusForbidden, own.refusal())
			return
		}
		if site := r.Header.Get("Sec-Fetch-Site"); r.URL.Path != "/" && (site == "cross-site" || site == "same-site") ||
			!sameOrigin(r) {
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

// sameOrigin reports whether a request that names the origin of its page names this one.
func sameOrigin(r *http.Request) bool {
	origins := r.Header.Values("Origin")
	for _, origin := range origins {
		at, err := url.Parse(origin)
		if err != nil || at.Scheme != "http" && at.Scheme != "https" || !strings.EqualFold(at.Host, r.Host) {
			return false
		}
	}
	return len(origins) < 2
}

// hosts are the names under which an address may be asked for. An IP address and localhost are no
// names that somebody could make point here.
type hosts struct {
	loopback bool
	names    []string // in lower case
}

// hostsOf returns those of an address: the machine's own name, unless only this machine reaches the
// address, and more.
func hostsOf(listen net.Addr, more []string) hosts {
	h := hosts{loopback: Loopback(listen)}
	if name, err := os.Hostname(); err == nil && !h.loopback {
		h.names = append(h.names, strings.ToLower(name))
	}
	for _, name := range more {
		h.names = append(h.names, strings.ToLower(name))
	}
	return h
}

// has reports whether a Host header names this address. A name without a dot is one of the local
// network, which no site of another can have. Only what is no browser leaves Host out.
func (h hosts) has(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if host == "" {
		return true
	}
	host = strings.TrimSuffix(strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")), ".")
	if _, err := netip.ParseAddr(host); err == nil || host == "localhost" || slices.Contains(h.names, host) {
		return true
	}
	return !h.loopback && !strings.Contains(host, ".")
}

// refusal returns what somebody is told who asks for another host.
func (h hosts) refusal() string {
	if h.loopback {
		return "this address is for this machine alone; ask for it as 127.0.0.1 or localhost"
	}
	return "this is not the host that was asked for; ask for it by its IP address, or name it in http.hosts"
}

// Loopback reports whether an address can be reached from its own machine alone.
func Loopback(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}
