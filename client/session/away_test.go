package session

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"bulkhead/client/spec"
	"bulkhead/internal/config/value"
	"bulkhead/internal/protocol"
	"bulkhead/internal/testing/scripted"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// http2Frame returns one frame as a server sends it.
func http2Frame(kind byte, payload []byte) []byte {
	head := []byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), kind, 0, 0, 0, 0, 0}
	return append(head, payload...)
}

// goAwayAlone returns what a supervisor sends that sheds one connection of very many: a GOAWAY
// with an error code and the text.
func goAwayAlone(code uint32, text string) []byte {
	payload := binary.BigEndian.AppendUint32(nil, 1)
	payload = binary.BigEndian.AppendUint32(payload, code)
	return http2Frame(http2GoAway, append(payload, text...))
}

// goAwayBytes returns what a supervisor sends that sheds a connection before its stream:
// SETTINGS, then GOAWAY (NO_ERROR) with the text.
func goAwayBytes(text string) []byte { return append(http2Frame(0x4, nil), goAwayAlone(0, text)...) }

// startShedder returns a listener that sends away the first n connections with bytes, and hands
// the others to c.
func startShedder(t *testing.T, n int, say []byte, acts ...scripted.Act) *scripted.Collector {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := scripted.New(t, listener.Addr().String(), acts...)
	c.Listen(&shedder{Listener: listener, left: n, say: say})
	return c
}

type shedder struct {
	net.Listener
	mu   sync.Mutex
	left int // guarded by mu
	say  []byte
}

func (s *shedder) Accept() (net.Conn, error) {
	for {
		socket, err := s.Listener.Accept()
		if err != nil {
			return nil, err
		}
		s.mu.Lock()
		shed := s.left > 0
		s.left--
		s.mu.Unlock()
		if !shed {
			return socket, nil
		}
		socket.Write(s.say) // the client may be gone
		socket.Close()      // with the client's bytes unread, so this is a reset
	}
}

func TestSessionHeedsAGoAway(t *testing.T) {
	const text = "too many clients at once, retry after 300ms"
	for name, say := range map[string][]byte{
		"with SETTINGS":          goAwayBytes(text),
		"alone":                  goAwayAlone(0, text),
		"of an older supervisor": append(http2Frame(0x4, nil), goAwayAlone(0xb, text)...), // ENHANCE_YOUR_CALM
	} {
		t.Run(name, func(t *testing.T) { heedsAGoAway(t, say) })
	}
}

func heedsAGoAway(t *testing.T, say []byte) {
	c := startShedder(t, 2, say, scripted.Orderly)
	box := testOutbox(t, 1<<20)
	fill(t, box, 3)
	_, log, done := startSession(t, c.Address, box, scripted.PatienceInTests)
	if err := scripted.Wait(t, "the session", done); err != nil {
		t.Fatal(err)
	}
	if text := log.String(); strings.Count(text,
		"turned this client away (too many clients at once, retry after 300ms); trying again in 3") != 2 ||
		strings.Count(text, "as it asked for") != 2 {
		t.Errorf("log: %s", text)
	}
	c.Mu.Lock()
	defer c.Mu.Unlock()
	if h := c.Hellos[0]; h.GetAbsence() != bulkheadv1.Absence_ABSENCE_UNSPECIFIED || h.GetLastEnd() != "" {
		t.Errorf("first hello = %v; want no absence", h)
	}
}

func TestSessionHeedsRetryInfo(t *testing.T) {
	busy, err := status.New(codes.Unavailable,
		"all handlers are busy").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(300 * time.Millisecond)})
	if err != nil {
		t.Fatal(err)
	}
	c := scripted.Start(t, func(*scripted.Collector, scripted.ServerStream) error { return busy.Err() },
		scripted.Orderly)
	box := testOutbox(t, 1<<20)
	fill(t, box, 3)
	_, log, done := startSession(t, c.Address, box, scripted.PatienceInTests)
	if err := scripted.Wait(t, "the session", done); err != nil {
		t.Fatal(err)
	}
	if text := log.String(); !strings.Contains(text,
		"turned this client away (all handlers are busy); trying again in 3") || !strings.Contains(text,
		"as it asked for") {
		t.Errorf("log: %s", text)
	}
}

// A supervisor that is busy is not unreachable.
func TestSessionOutlastsTheConnectTimeoutWhenShed(t *testing.T) {
	c := startShedder(t, 5, goAwayBytes("too many clients at once, retry after 200ms"), scripted.Orderly)
	box := testOutbox(t, 1<<20)
	fill(t, box, 3)
	_, log, done := startSession(t, c.Address, box, 450*time.Millisecond)
	if err := scripted.Wait(t, "the session", done); err != nil {
		t.Errorf("session: %v\n%s", err, log)
	}
}

func TestSessionSaysWhyItWasAway(t *testing.T) {
	tests := []struct {
		name    string
		how     func(*scripted.Collector) error
		absence bulkheadv1.Absence
		words   []string // one of them
	}{
		{"cut", scripted.Cut, bulkheadv1.Absence_ABSENCE_NETWORK,
			[]string{"the supervisor's side closed the connection", "the connection was reset"}},
		{"sent away", scripted.Unavailable, bulkheadv1.Absence_ABSENCE_SENT_AWAY, []string{"handler died"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := scripted.Start(t, scripted.BreakAfter(1, false, test.how), scripted.Orderly)
			box := testOutbox(t, 1<<20)
			fill(t, box, 3)
			_, log, done := startSession(t, c.Address, box, scripted.PatienceInTests)
			if err := scripted.Wait(t, "the session", done); err != nil {
				t.Fatal(err)
			}
			c.Mu.Lock()
			defer c.Mu.Unlock()
			h := c.Hellos[1]
			matches := false
			for _, words := range test.words {
				matches = matches || h.GetLastEnd() == words
			}
			if h.GetAbsence() != test.absence || !matches || h.GetStarvedNano() != 0 {
				t.Errorf("second hello: %v, %q, starved %d\n%s", h.GetAbsence(), h.GetLastEnd(), h.GetStarvedNano(),
					log)
			}
		})
	}
}

func TestSessionEndsInQuarantine(t *testing.T) {
	c := scripted.Start(t, scripted.BreakAfter(1, false, scripted.Unavailable),
		scripted.Refuse(codes.DataLoss, "message 1 killed 3 handlers"))
	box := testOutbox(t, 1<<20)
	fill(t, box, 3)
	_, _, done := startSession(t, c.Address, box, scripted.PatienceInTests)
	err := scripted.Wait(t, "the session", done)
	if !Quarantined(err) || !strings.Contains(err.Error(),
		"in quarantine and takes no more of it: message 1 killed 3 handlers") {
		t.Errorf("session: %v; want quarantined", err)
	}
}

// An HTTP/1 server is not reached by trying for longer, but it may be replaced.
func TestSessionSaysThatTheProtocolIsAnother(t *testing.T) {
	c := startShedder(t, 1<<30, []byte("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n400 Bad Request"),
		scripted.Orderly)
	_, _, done := startSession(t, c.Address, testOutbox(t, 1<<20), time.Second)
	if err := scripted.Wait(t, "the session", done); err == nil ||
		!strings.Contains(err.Error(), "what listens there does not speak the supervisor's protocol") {
		t.Errorf("session: %v", err)
	}
}

func TestGoAwayIsFoundHoweverItIsCut(t *testing.T) {
	whole := append(append(http2Frame(0x4, nil), http2Frame(0x0, bytes.Repeat([]byte{http2GoAway}, 40))...),
		goAwayBytes("come later, retry after 1m30s")...)
	for step := 1; step <= len(whole); step++ {
		var s goAwayScanner
		for rest := whole; len(rest) > 0; {
			n := min(step, len(rest))
			s.scan(rest[:n])
			rest = rest[n:]
		}
		text, came := s.text()
		if !came || text != "come later, retry after 1m30s" || protocol.RetryAfter(text) != 90*time.Second {
			t.Fatalf("in pieces of %d bytes: %q, %v", step, text, came)
		}
	}
	var s goAwayScanner
	s.scan(whole[:60])
	if text, came := s.text(); came {
		t.Errorf("a GOAWAY in the data of another frame: %q", text)
	}
	s.scan(goAwayBytes(strings.Repeat("x", 1<<16)))
	if len(s.kept) > goAwayMaxBytes {
		t.Errorf("%d bytes of a GOAWAY are kept", len(s.kept))
	}
}

func TestRetryAfter(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"":                                   0,
		"busy":                               0,
		"busy, retry after 2s":               2 * time.Second,
		"retry after lunch, retry after 3ms": 3 * time.Millisecond,
		"busy, retry after -2s":              0,
		"busy, retry after 2s or later":      0,
		"busy, retry after ":                 0,
	} {
		if got := protocol.RetryAfter(text); got != want {
			t.Errorf("protocol.RetryAfter(%q) = %s; want %s", text, got, want)
		}
	}
}

func TestPlainWords(t *testing.T) {
	for _, test := range []struct {
		text, socket string
		silence      time.Duration
		want         string
	}{
		{"keepalive ping failed to receive ACK within timeout", "the connection was reset", 23 * time.Second,
			"no sign of life from the supervisor's side for 23s"},
		{"keepalive ping failed to receive ACK within timeout", "", 0,
			"never a sign of life from the supervisor's side"},
		{"error reading from server: EOF", "the supervisor's side closed the connection", time.Second,
			"the supervisor's side closed the connection"},
		{`connection error: desc = "transport: is closing"`, "", time.Second, "is closing"},
		{"something else", "", time.Second, "something else"},
	} {
		if got := inWords(test.text, test.socket, test.silence); got != test.want {
			t.Errorf("inWords(%q, %q) = %q; want %q", test.text, test.socket, got, test.want)
		}
	}
}

func TestWireKeepsTheFirstErrorOfTheSocket(t *testing.T) {
	w := &wire{}
	w.note(net.ErrClosed)
	if got := w.failure(); got != "" {
		t.Errorf("its own close is a failure: %q", got)
	}
	w.note(&net.OpError{Op: "read", Err: syscall.EHOSTUNREACH})
	w.note(syscall.ECONNRESET)
	if got := w.failure(); got != "no route to host" {
		t.Errorf("failure = %q", got)
	}
}

func TestLastEndIsBounded(t *testing.T) {
	end := connectionEnd{why: strings.Repeat("ä", 600), failed: 3, last: "no"}
	if text := end.String(); len(text) > lastEndMaxBytes || strings.Contains(text, "\ufffd") {
		t.Errorf("%d bytes", len(text))
	}
	end.why = "cut"
	if text := end.String(); text != "cut; then 3 tries without a welcome, the last: no" {
		t.Errorf("%q", text)
	}
}

func TestJudgeKeepsTheOwnReason(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	reason := errors.New("enough")
	cancel(reason)
	if err := (&dialled{wire: &wire{}}).judge(ctx, status.Error(codes.Canceled, "context canceled")); !errors.Is(err,
		reason) {
		t.Errorf("judge = %v", err)
	}
}

// A client that is sent from one supervisor to another, and back, gives up at last.
func TestSessionMovesSoOftenAndNoMore(t *testing.T) {
	for _, row := range []struct {
		moves int
		want  string
	}{
		{maxMoves - 1, ""},
		{maxMoves, "the session has moved to another run 64 times; do several supervisors answer at "},
	} {
		c := scripted.Start(t, func(*scripted.Collector, scripted.ServerStream) error {
			return scripted.UnknownRun("run-2")
		}, scripted.Orderly)
		box := testOutbox(t, 1<<20)
		fill(t, box, 3)
		box.Hello.RunId = "run-1"
		s := New(spec.Config{Supervisor: value.Addresses{c.Address}, Name: "tester",
			ConnectTimeout: scripted.PatienceInTests,
			Logger:         slog.New(slog.DiscardHandler)}, box.Hello, box)
		s.Continues, s.Moves = true, make([]Move, row.moves)
		err := s.Run(t.Context())
		if row.want == "" && err != nil || row.want != "" && (err == nil || !strings.HasPrefix(err.Error(), row.want)) {
			t.Errorf("after %d moves: %v; want %q", row.moves, err, row.want)
		}
	}
}
