package web

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/journal"
)

// patience is how long a test waits for what must happen.
const patience = 60 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// scripted is a supervisor that says what a test wants.
type scripted struct {
	mu      sync.Mutex
	status  *bulkheadv1.StatusResponse // guarded by mu
	journal string                     // guarded by mu
}

func (s *scripted) Status(context.Context) *bulkheadv1.StatusResponse {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

func (s *scripted) Journal() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.journal
}

func (s *scripted) Ready() string          { return "" }
func (s *scripted) ChunkWrites() Latencies { return Latencies{Buckets: map[float64]uint64{}} }

func (s *scripted) follow(dir string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.journal = dir
}

// serve runs a Server until stop is called, at the latest after the test.
func serve(t *testing.T, source Source, change ...func(*Server)) (s *Server, addr string, stop func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s = New(Config{Listener: l.(*net.TCPListener), Source: source,
		Version: "test", Logger: slog.New(slog.DiscardHandler)})
	for _, c := range change {
		c(s)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		<-done
		l.Close()
	})
	t.Cleanup(stop)
	return s, l.Addr().String(), stop
}

// ask sends a request as it stands and returns the connection and its answer's header.
func ask(t *testing.T, addr, request string) (net.Conn, *http.Response) {
	t.Helper()
	return askFrom(t, 1, addr, request)
}

// askFrom does what ask does from 127.0.0.n.
func askFrom(t *testing.T, n int, addr, request string) (net.Conn, *http.Response) {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(n))}}
	conn, err := dialer.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("%q: %v", request, err)
	}
	return conn, res
}

// large returns a status that fills the buffers of a socket in a few events.
func large() *bulkheadv1.StatusResponse {
	s := &bulkheadv1.StatusResponse{RunId: "R"}
	for i := range maxEventSessions + 5 {
		c := &bulkheadv1.SessionStatus{Session: uint32(i + 1), Name: fmt.Sprint(i),
			SessionState: bulkheadv1.SessionState_SESSION_STATE_CLOSED, Cause: strings.Repeat("because ", 1000)}
		if i > maxEventSessions {
			c.SessionState = bulkheadv1.SessionState_SESSION_STATE_RESUMING // after a restart of the supervisor
		}
		s.Sessions = append(s.Sessions, c)
	}
	return s
}

// Somebody who reads nothing is hung up on; who reads gets every event meanwhile.
func TestSlowReaderIsDropped(t *testing.T) {
	s, addr, _ := serve(t, &scripted{status: large()})
	const request = "GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
	slow, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	if _, err := io.WriteString(slow, request); err != nil {
		t.Fatal(err)
	}
	_, res := ask(t, addr, request)
	events := bufio.NewReaderSize(res.Body, 1<<20)
	for seen := 0; s.hub.dropped.Load() == 0 || seen < 3; {
		line, err := events.ReadString('\n')
		if err != nil {
			t.Fatalf("after %d events: %v", seen, err)
		}
		if strings.HasPrefix(line, "data:") {
			seen++
			if !strings.Contains(line, `"sessions_left_out":5`) ||
				strings.Count(line, `"session_state":"SESSION_STATE_RESUMING"`) != 4 {
				t.Fatalf("the event does not have all that go on, or too many")
			}
		}
	}
}

// Who is slow has the newest event waiting, and no other.
func TestSlowReaderHasTheNewestEvent(t *testing.T) {
	h := newHub(&scripted{})
	slow := &subscriber{newest: make(chan []byte, 1)}
	for _, event := range []string{"first", "second", "third"} {
		h.give(slow, []byte(event))
	}
	if got, n := string(<-slow.newest), h.skipped.Load(); got != "third" || n != 2 {
		t.Errorf("%q waits after %d skipped events; want the third after 2", got, n)
	}
}

// At the end those who listen are told.
func TestEventsEnd(t *testing.T) {
	_, addr, stop := serve(t, &scripted{status: &bulkheadv1.StatusResponse{}})
	_, res := ask(t, addr, "GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
	stop()
	if rest, err := io.ReadAll(res.Body); err != nil || !strings.HasSuffix(string(rest), "event: end\ndata: {}\n\n") {
		t.Errorf("the end is %v, %.200q", err, rest)
	}
}

// When all runs are over, those who listen are told and waited for, until they have gone or
// do not go; then the report is of all there is, however new the last one was.
func TestOver(t *testing.T) {
	const request = "GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
	t.Run("nobody listens", func(t *testing.T) {
		s, addr, _ := serve(t, &scripted{status: &bulkheadv1.StatusResponse{}})
		s.Over()
		if _, res := ask(t, addr, request); res.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("somebody who comes later gets %s", res.Status)
		}
	})
	t.Run("somebody stays", func(t *testing.T) {
		s, addr, _ := serve(t, &scripted{status: &bulkheadv1.StatusResponse{}})
		ask(t, addr, request)
		s.Over() // returns
	})
	t.Run("somebody goes", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "journal")
		j, err := journal.Create(dir, journal.Options{Sync: journal.SyncNone})
		if err != nil {
			t.Fatal(err)
		}
		defer j.Close()
		add := func(r *bulkheadv1.Record) {
			t.Helper()
			if err := j.Append(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		}
		add(&bulkheadv1.Record{TimeUnixNano: 1,
			Entry: &bulkheadv1.Record_RunStarted{RunStarted: &bulkheadv1.RunStarted{RunId: "R"}}})
		s, addr, _ := serve(t, &scripted{status: &bulkheadv1.StatusResponse{}, journal: dir})
		ended := func() bool {
			_, res := ask(t, addr, "GET /report HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
			page, err := io.ReadAll(res.Body)
			if err != nil || res.StatusCode != http.StatusOK {
				t.Fatalf("%s, %v", res.Status, err)
			}
			return strings.Contains(string(page), `"end":"done"`)
		}
		if ended() {
			t.Fatal("a run without an end has ended")
		}
		conn, res := ask(t, addr, request)
		add(&bulkheadv1.Record{TimeUnixNano: 2,
			Entry: &bulkheadv1.Record_RunEnded{RunEnded: &bulkheadv1.RunEnded{Reason: bulkheadv1.RunEnd_RUN_END_DONE}}})
		over := make(chan struct{})
		go func() { defer close(over); s.Over() }()
		events := bufio.NewReader(res.Body)
		for line := ""; line != "event: over\n"; {
			if line, err = events.ReadString('\n'); err != nil {
				t.Fatal(err)
			}
		}
		if !ended() {
			t.Error("the last report is an old one")
		}
		conn.Close()
		<-over
	})
}

// No more than maxSubscribers listen at once, and no more than maxPerSource from one source; one
// that goes makes room, and a source that has many makes room for one that has few.
func TestSubscribersAreBounded(t *testing.T) {
	_, addr, _ := serve(t, &scripted{status: &bulkheadv1.StatusResponse{}})
	const request = "GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
	refused := func(source int) bool {
		_, res := askFrom(t, source, addr, request)
		return res.StatusCode == http.StatusServiceUnavailable && res.Header.Get("Retry-After") != ""
	}
	var all []net.Conn
	for i := range maxSubscribers {
		conn, res := askFrom(t, 1+i/maxPerSource, addr, request)
		if res.StatusCode != http.StatusOK {
			t.Fatalf("subscriber %d gets %s", i, res.Status)
		}
		if all = append(all, conn); i == maxPerSource-1 && !refused(1) {
			t.Error("one too many of a source is let in")
		}
	}
	for i := range 8 { // the last of those that have most make room for others
		conn, res := askFrom(t, 100+i, addr, request)
		if res.StatusCode != http.StatusOK {
			t.Fatalf("somebody else gets %s", res.Status)
		}
		all = append(all, conn)
	}
	for _, conn := range []net.Conn{all[maxSubscribers-1], all[2*maxPerSource-2]} {
		if _, err := io.Copy(io.Discard, conn); err != nil { // to its end
			t.Errorf("one that made room: %v", err)
		}
	}
	if !refused(2) {
		t.Error("one too many of a source that has most is let in")
	}
	all[0].Close()
	for deadline := time.Now().Add(patience); refused(1); {
		if time.Now().After(deadline) {
			t.Fatal("nobody is let in after one has gone")
		}
	}
}

// What must not be answered is not: by method, body, host and site.
func TestGuard(t *testing.T) {
	_, addr, _ := serve(t, &scripted{status: &bulkheadv1.StatusResponse{}})
	for _, tt := range []struct {
		request string
		want    int
	}{
		{"GET / HTTP/1.1\r\nHost: 127.0.0.1:7680\r\n\r\n", 200},
		{"GET / HTTP/1.1\r\nHost: localhost:7680\r\n\r\n", 200},
		{"GET / HTTP/1.1\r\nHost: [::1]:7680\r\n\r\n", 200},
		{"HEAD /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 200},
		{"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403},
		{"GET /api/status HTTP/1.1\r\nHost: 127.0.0.1.evil.example:7680\r\n\r\n", 403},
		{"GET /api/status HTTP/1.1\r\nHost: 127.0.0.1\r\nSec-Fetch-Site: cross-site\r\n\r\n", 403},
		{"GET /api/status HTTP/1.1\r\nHost: 127.0.0.1\r\nSec-Fetch-Site: same-origin\r\n\r\n", 200},
		{"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nSec-Fetch-Site: cross-site\r\n\r\n", 200}, // a link was followed
		{"GET /api/status HTTP/1.1\r\nHost: 127.0.0.1:7680\r\nOrigin: http://127.0.0.1:7680\r\n\r\n", 200},
		{"GET /api/status HTTP/1.1\r\nHost: 127.0.0.1:7680\r\nOrigin: http://evil.example\r\n\r\n", 403},
		{"GET /api/status HTTP/1.1\r\nHost: 127.0.0.1:7680\r\nOrigin: http://127.0.0.1:1\r\n\r\n", 403},
		{"GET / HTTP/1.1\r\nHost: 127.0.0.1:7680\r\nOrigin: null\r\n\r\n", 403},
		{"GET / HTTP/1.0\r\n\r\n", 200}, // no browser
		{"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 3\r\n\r\nabc", 405},
		{"DELETE /api/report HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 405},
		{"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000\r\n\r\n", 400}, // and no body
		{"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + strings.Repeat("x", 2*maxHeader) + "\r\n\r\n", 431},
		{"GET /no/such HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 404},
		{"GET /api/report HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 503}, // no run yet
	} {
		_, res := ask(t, addr, tt.request)
		if res.StatusCode != tt.want {
			t.Errorf("%.80q: %s; want %d", tt.request, res.Status, tt.want)
		}
		if tt.want < 429 && res.StatusCode != 400 &&
			(res.Header.Get("X-Content-Type-Options") != "nosniff" ||
				!strings.HasPrefix(res.Header.Get("Content-Security-Policy"), "default-src 'none'")) {
			t.Errorf("%.80q: header %v", tt.request, res.Header)
		}
	}
}

// On an address that others reach, only names are answered that nobody else can make point here.
func TestGuardBeyondLoopback(t *testing.T) {
	machine, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	own := hostsOf(&net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 7680}, []string{"Runs.example.com"})
	for host, want := range map[string]bool{
		"192.0.2.1:7680": true, "[2001:db8::1]:7680": true, "[fe80::1%eth0]": true, "localhost": true, "": true,
		machine: true, "collector1:7680": true, "runs.example.com": true, "RUNS.example.com.:80": true,
		"evil.example": false, "192.0.2.1.evil.example:7680": false, "runs.example.com.evil.example": false,
		"localhost.evil.example": false,
	} {
		seen := false
		g := guard(own, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { seen = true }))
		r, err := http.NewRequest(http.MethodGet, "http://192.0.2.1:7680/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		g.ServeHTTP(discard{http.Header{}}, r)
		if seen != want {
			t.Errorf("a request for %q is answered: %v", host, seen)
		}
	}
}

type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}

// The policy of the page allows its own script and style by their hashes, and no other.
func TestPolicy(t *testing.T) {
	got := policy([]byte("<style>a{}</style><script>1</script><script type=\"application/json\">{}</script>"), "more")
	for _, want := range []string{
		"script-src 'sha256-a4ayc/80/OGda4BO/1o/V0etpOqiLx1JwB5S3beHW0s=' 'sha256-", "style-src 'sha256-", "; more",
		"default-src 'none'",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s has no %s", got, want)
		}
	}
	if strings.Contains(got, "unsafe") {
		t.Errorf("%s", got)
	}
}

// A client keeps its label whatever comes later, no two have the same, and those beyond
// maxLabelled share one.
func TestLabels(t *testing.T) {
	var sessions []*bulkheadv1.SessionStatus
	add := func(name string) {
		sessions = append(sessions, &bulkheadv1.SessionStatus{Session: uint32(len(sessions) + 1), Name: name, Bytes: 1,
			SessionState: bulkheadv1.SessionState_SESSION_STATE_ACTIVE})
	}
	for _, name := range []string{"a", "a", "a#2", otherClients, "a#2"} {
		add(name)
	}
	first := labelled(sessions)
	for len(sessions) < maxLabelled+7 {
		add("a")
	}
	all := labelled(sessions)
	if len(all) != maxLabelled+1 {
		t.Fatalf("%d series; want %d", len(all), maxLabelled+1)
	}
	taken := make(map[string]bool)
	for i, s := range all {
		if taken[s.label] {
			t.Errorf("label %q comes twice", s.label)
		}
		taken[s.label] = true
		if i < len(first) && s.label != first[i].label {
			t.Errorf("label %q was %q before others came", s.label, first[i].label)
		}
	}
	if o := all[maxLabelled]; o.label != otherClients || o.bytes != 7 || o.active != 7 {
		t.Errorf("the others are %+v", o)
	}
}

// When the next run begins, the report is of that one.
func TestFoldingTheNextRun(t *testing.T) {
	source := &scripted{status: &bulkheadv1.StatusResponse{}}
	f := newFolding(source, slog.New(slog.DiscardHandler))
	defer f.leave()
	if b := f.report(asJSON); b.err != errNoRun {
		t.Fatalf("before a run: %v", b.err)
	}
	if b := f.report(asBefore); b.err != errNoneBefore {
		t.Fatalf("before the run before: %v", b.err)
	}
	for _, id := range []string{"first", "second"} {
		dir := filepath.Join(t.TempDir(), "journal")
		j, err := journal.Create(dir, journal.Options{Sync: journal.SyncNone})
		if err != nil {
			t.Fatal(err)
		}
		defer j.Close()
		if err := j.Append(t.Context(),
			&bulkheadv1.Record{TimeUnixNano: 1,
				Entry: &bulkheadv1.Record_RunStarted{RunStarted: &bulkheadv1.RunStarted{RunId: id}}}); err != nil {
			t.Fatal(err)
		}
		source.follow(dir)
		if b := f.report(asJSON); b.err != nil || !strings.Contains(string(b.data), `"id": "`+id+`"`) {
			t.Errorf("run %s: %v, %.200s", id, b.err, b.data)
		}
	}
	if b := f.report(asBefore); b.err != nil || !strings.Contains(string(b.data), `"id":"first"`) {
		t.Errorf("the run before: %v, %d bytes", b.err, len(b.data))
	}
	source.follow("") // between runs: the last one stays
	if b := f.report(asJSON); !strings.Contains(string(b.data), `"id": "second"`) {
		t.Errorf("after the run: %v", b.err)
	}
}
