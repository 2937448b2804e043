package client

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"bulkhead/client/names"
	"bulkhead/client/outbox"
	"bulkhead/client/session"
	"bulkhead/client/spec"
	"bulkhead/internal/config"
	"bulkhead/internal/config/value"
	"bulkhead/internal/protocol"
	"bulkhead/internal/testing/scripted"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// books are what a supervisor keeps of several sessions: one collector each, by
// client id. Each may hold messages before the first connection comes.
type books struct {
	*scripted.Collector
	mu   sync.Mutex
	book map[string]*scripted.Collector // guarded by mu
	over map[string]error               // guarded by mu; what clients are told whose session has ended
}

func startBooks(t *testing.T) *books {
	t.Helper()
	b := &books{book: make(map[string]*scripted.Collector), over: make(map[string]error)}
	b.Collector = scripted.Start(t, func(c *scripted.Collector, stream scripted.ServerStream) error {
		hello := stream.(scripted.GreetedStream).Hello
		if !hello.GetResent() || hello.GetToken() != "secret" {
			t.Errorf("hello = %v; want resent, with the token", hello)
		}
		if why := b.ended(hello.GetClientId()); why != nil {
			return why
		}
		return scripted.Orderly(b.of(hello.GetClientId()), stream)
	})
	return b
}

func (b *books) of(id []byte) *scripted.Collector {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.book[string(id)] == nil {
		b.book[string(id)] = scripted.New(b.T, "")
	}
	return b.book[string(id)]
}

// lose records that a session was lost after a message.
func (b *books) lose(id []byte, after uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over[string(id)] = scripted.Refusing(codes.FailedPrecondition, bulkheadv1.Reason_REASON_SESSION_LOST,
		protocol.SessionOver{Outcome: bulkheadv1.Outcome_OUTCOME_LOST, After: after, Run: "run-1"}.Metadata())
}

func (b *books) ended(id []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.over[string(id)]
}

// keepSpool leaves a spool file with messages first to last and returns its hello.
// An end is a Stop.
func keepSpool(t *testing.T, first, last int, end bool) (*bulkheadv1.Hello, string) {
	t.Helper()
	return keepSpoolBy(t, scripted.TestHello(), first, last, end)
}

// keepSpoolOf does what keepSpool does, for a client that says in which run it was.
func keepSpoolOf(t *testing.T, run string, first, last int) (*bulkheadv1.Hello, string) {
	t.Helper()
	hello := scripted.TestHello()
	hello.RunId = run
	return keepSpoolBy(t, hello, first, last, true)
}

func keepSpoolBy(t *testing.T, hello *bulkheadv1.Hello, first, last int, end bool) (*bulkheadv1.Hello, string) {
	t.Helper()
	folder := filepath.Join(t.TempDir(), names.WorkDirPrefix+"1")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	hello.Token = "not to be kept"
	box := outbox.New(hello, 2000, 1<<20, filepath.Join(folder, names.Spool))
	for n := 1; n <= last; n++ {
		put := box.Add
		m := scripted.Note(n, 20)
		if end && n == last {
			put, m = box.AddLast, &bulkheadv1.Message{Fact: &bulkheadv1.Message_Stop{Stop: &bulkheadv1.Stop{}}}
		}
		if err := put(m); err != nil {
			t.Fatal(err)
		}
	}
	limits := &bulkheadv1.Limits{MaxFrameBytes: 1 << 20, MaxBatchMessages: 1, MaxUnackedBatches: 1}
	for n := 1; n < first; n++ {
		if _, err := box.Take(limits); err != nil {
			t.Fatal(err)
		}
		if err := box.Ack(uint64(n)); err != nil {
			t.Fatal(err)
		}
	}
	path, err := box.Close()
	if err != nil || path == "" {
		t.Fatalf("spool %q, %v", path, err)
	}
	return hello, path
}

func resendTo(t *testing.T, address, path string) ResendResult {
	t.Helper()
	r, err := Resend(context.Background(),
		ResendConfig{Spool: path, Supervisor: value.Addresses{address},
			Token: "secret", ConnectTimeout: scripted.PatienceInTests})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// notes returns the notes of what a collector has; -1 for the Stop.
func notes(c *scripted.Collector) (list []int) {
	messages, _, _ := c.Snapshot()
	for _, m := range messages {
		if m.GetStop() != nil {
			list = append(list, -1)
			continue
		}
		list = append(list, scripted.NoteOf(m))
	}
	return list
}

// checkNotes checks that a collector has the notes first to last.
func checkNotes(t *testing.T, c *scripted.Collector, first, last int, end bool) {
	t.Helper()
	got := notes(c)
	want := last - first + 1
	for i, n := range got {
		if n != first+i && !(end && i == want-1 && n == -1) {
			t.Errorf("message %d is note %d; want %d", i+1, n, first+i)
		}
	}
	if len(got) != want {
		t.Errorf("%d messages; want %d", len(got), want)
	}
}

func TestResendGoesOnWhereTheClientEnded(t *testing.T) {
	for _, asFolder := range []bool{false, true} {
		b := startBooks(t)
		hello, path := keepSpool(t, 51, 200, true)
		mine := b.of(hello.GetClientId())
		for n := 1; n <= 60; n++ { // acks of the last ten were lost
			m := scripted.Note(n, 20)
			m.Seq = uint64(n)
			mine.Messages = append(mine.Messages, m)
		}
		given := path
		if asFolder {
			given = filepath.Dir(path)
		}
		r := resendTo(t, b.Address, given)
		if !r.Complete() || r.Messages != 150 || r.Durable != 150 || r.Known != 10 || !r.Removed || r.Unknown != 0 {
			t.Errorf("Resend = %+v", r)
		}
		checkNotes(t, mine, 1, 200, true)
		if _, _, goodbye := mine.Snapshot(); goodbye.GetLastSeq() != 200 {
			t.Errorf("goodbye = %v", goodbye)
		}
		if _, err := os.Stat(filepath.Dir(path)); !os.IsNotExist(err) {
			t.Errorf("the folder of the spool is left: %v", err)
		}
	}
}

func TestResendOfWhatIsThereAlready(t *testing.T) {
	b := startBooks(t)
	hello, path := keepSpool(t, 5, 20, false)
	mine := b.of(hello.GetClientId())
	for n := 1; n <= 23; n++ {
		mine.Messages = append(mine.Messages, &bulkheadv1.Message{Seq: uint64(n)})
	}
	if r := resendTo(t, b.Address, path); !r.Complete() || r.Durable != 16 || r.Known != 16 || !r.Removed {
		t.Errorf("Resend = %+v", r)
	}
	if _, _, goodbye := mine.Snapshot(); goodbye.GetLastSeq() != 23 {
		t.Errorf("goodbye = %v", goodbye)
	}
}

func TestResendToASupervisorThatKnowsNothing(t *testing.T) {
	b := startBooks(t)
	hello, path := keepSpool(t, 51, 200, true)
	r := resendTo(t, b.Address, path)
	if !r.Complete() || r.Durable != 150 || r.UnknownFrom != 1 || r.Unknown != 50 || !r.Removed {
		t.Errorf("Resend = %+v", r)
	}
	id := protocol.RestID(hello.GetClientId(), "run-1", 50)
	checkNotes(t, b.of(id[:]), 51, 200, true)
	for _, c := range []*scripted.Collector{b.of(id[:]), b.of(hello.GetClientId())} {
		if _, _, goodbye := c.Snapshot(); goodbye == nil {
			t.Error("a session was not closed")
		}
	}
	if n := notes(b.of(hello.GetClientId())); len(n) != 0 {
		t.Errorf("the old id has %v", n)
	}
}

// A delivery that was interrupted continues in the session it had begun.
// A spool that says in which run its client was is a session of its own at a supervisor
// that does not know that run, under the same id each time.
func TestResendToASupervisorThatDoesNotKnowTheRun(t *testing.T) {
	for name, first := range map[string]int{"the end": 51, "all of it": 1} {
		t.Run(name, func(t *testing.T) {
			hello, path := keepSpoolOf(t, "run-0", first, 200)
			sessions := scripted.New(t, "", scripted.Orderly)
			var hellos []*bulkheadv1.Hello
			b := scripted.Start(t, func(c *scripted.Collector, stream scripted.ServerStream) error {
				h := stream.(scripted.GreetedStream).Hello
				hellos = append(hellos, h)
				switch {
				case h.GetRunId() == "run-0":
					return scripted.UnknownRun("run-1")
				case len(hellos) == 2:
					return scripted.BreakAfter(1, true, scripted.Unavailable)(sessions, stream)
				default:
					return scripted.Orderly(sessions, stream)
				}
			})
			r := resendTo(t, b.Address, path)
			if !r.Complete() || r.Durable != r.Messages || r.FromRun != "run-0" || r.FromRunOver ||
				r.Unknown != uint64(first-1) || r.RunID != "run-1" {
				t.Errorf("Resend = %+v", r)
			}
			checkNotes(t, sessions, first, 200, true)
			id := protocol.RestID(hello.GetClientId(), "run-1", uint64(first-1))
			after := uint64(first - 1)
			continues := &bulkheadv1.Continuation{RunId: "run-0", ClientId: hello.GetClientId(), After: after,
				Before: after}
			for _, h := range hellos[1:] {
				if !bytes.Equal(h.GetClientId(), id[:]) || h.GetRunId() != "run-1" ||
					!proto.Equal(h.GetContinues(), continues) || h.SentSeq != nil ||
					!bytes.Equal(h.GetInstance(), hellos[0].GetInstance()) || len(h.GetInstance()) == 0 {
					t.Errorf("hello = %v; want client %x and %v", h, id, continues)
				}
			}
			if len(hellos) != 3 || hellos[0].GetLastConnection() != 0 {
				t.Errorf("%d connections; want 3: refused, broken, whole", len(hellos))
			}
		})
	}
}

// The messages of a run that is over go to another one only if that is asked for, and then
// without those that the first has.
func TestResendWhenTheRunIsOver(t *testing.T) {
	_, path := keepSpoolOf(t, "run-0", 51, 200)
	over := protocol.SessionOver{Outcome: bulkheadv1.Outcome_OUTCOME_LOST, After: 60, Run: "run-0"}.Metadata()
	sessions := scripted.New(t, "", scripted.Orderly)
	b := scripted.Start(t, func(c *scripted.Collector, stream scripted.ServerStream) error {
		if stream.(scripted.GreetedStream).Hello.GetRunId() == "run-0" {
			return scripted.Refusing(codes.FailedPrecondition, bulkheadv1.Reason_REASON_RUN_OVER, over)
		}
		return scripted.Orderly(sessions, stream)
	})
	if r := resendTo(t, b.Address, path); r.Complete() || r.Durable != 0 || r.Removed ||
		!strings.Contains(r.Failure.Error(), "--next-run") {
		t.Errorf("Resend = %+v; want the file to stay", r)
	}
	r, err := Resend(context.Background(),
		ResendConfig{Spool: path, Supervisor: value.Addresses{b.Address}, Token: "secret", NextRun: true})
	if err != nil || !r.Complete() || r.Durable != 150 || !r.FromRunOver || !r.Removed {
		t.Errorf("Resend = %+v, %v", r, err)
	}
	checkNotes(t, sessions, 61, 200, true)

	_, path = keepSpoolOf(t, "run-0", 51, 60) // all of which that run has
	if r := resendTo(t, b.Address, path); !r.Complete() || r.Known != 10 || r.RunID != "run-0" || r.FromRun != "" ||
		!r.Removed {
		t.Errorf("Resend = %+v", r)
	}
}

// A supervisor may say in its Welcome that the session of the messages is closed.
func TestResendToAClosedSession(t *testing.T) {
	_, path := keepSpoolOf(t, "run-0", 51, 200)
	b := scripted.Start(t, func(c *scripted.Collector, stream scripted.ServerStream) error {
		return stream.SendMsg(&bulkheadv1.ServerFrame{
			Frame: &bulkheadv1.ServerFrame_Welcome{Welcome: &bulkheadv1.Welcome{
				RunId: "run-0", SessionId: "s1", ResumeAfter: 200, Closed: true, Limits: c.Limits,
			}}})
	})
	if r := resendTo(t, b.Address, path); !r.Complete() || r.Known != 150 || !r.Removed {
		t.Errorf("Resend = %+v", r)
	}
}

// readSpool calls fn with every message of a spool file, as it would be sent again.
func readSpool(path string, fn func(*bulkheadv1.Message)) (outbox.SpoolSummary, error) {
	spool, summary, err := outbox.OpenSpool(path)
	if err != nil {
		return summary, err
	}
	defer spool.File.Close()
	box, err := outbox.FromSpool(summary.Hello, spool, 0, uint64(summary.Messages), summary.FirstSeq-1, false)
	if err != nil {
		return summary, err
	}
	limits := &bulkheadv1.Limits{MaxFrameBytes: 1 << 20, MaxBatchMessages: 1, MaxUnackedBatches: 1}
	for range summary.Messages {
		frame, err := box.Take(limits)
		batch, broken := scripted.BatchIn(frame)
		if err := errors.Join(err, broken); err != nil {
			return summary, err
		}
		fn(batch.GetMessages()[0])
		if err := box.Ack(batch.GetMessages()[0].GetSeq()); err != nil {
			return summary, err
		}
	}
	return summary, nil
}

// A client that has continued in another run keeps its spool under its new id; the numbers
// of the session are those of the new run, whether it closed the file or was killed.
func TestTheSpoolOfASessionInAnotherRun(t *testing.T) {
	for _, killed := range []bool{false, true} {
		folder := filepath.Join(t.TempDir(), names.WorkDirPrefix+"1")
		must(t, os.Mkdir(folder, 0o700))
		hello := scripted.TestHello()
		hello.RunId = "run-0"
		box := outbox.New(hello, 2000, 1<<20, filepath.Join(folder, names.Spool))
		limits := &bulkheadv1.Limits{MaxFrameBytes: 1 << 20, MaxBatchMessages: 1, MaxUnackedBatches: 1}
		for n := 1; n <= 100; n++ {
			must(t, box.Add(scripted.Note(n, 20)))
		}
		deliver := func(n int) {
			for range n {
				frame, err := box.Take(limits)
				must(t, err)
				batch, err := scripted.BatchIn(frame)
				must(t, err)
				must(t, box.Ack(batch.GetMessages()[0].GetSeq()))
			}
		}
		deliver(30)
		s := session.New(spec.Config{Logger: slog.New(slog.DiscardHandler)}, hello, box)
		must(t, s.Continue(session.Leaving{To: "run-1"}))
		deliver(10)
		for n := 101; n <= 120; n++ {
			must(t, box.Add(scripted.Note(n, 20)))
		}
		path := box.SpoolPath
		if !killed {
			var err error
			path, err = box.Close()
			must(t, err)
		} else {
			must(t, box.Spool.File.Close())
		}
		id := protocol.RestID(hello.GetClientId(), "run-1", 30)
		next := uint64(11)
		summary, err := readSpool(path, func(m *bulkheadv1.Message) {
			if !killed && scripted.NoteOf(m) != int(next)+30 {
				t.Errorf("message %d is note %d", next, scripted.NoteOf(m))
			}
			next++
		})
		must(t, err)
		if summary.ClientID != spec.Secret(id).ID().String() || summary.Damage != "" || summary.LastSeq != 90 ||
			!killed && summary.FirstSeq != 11 || summary.Hello.GetContinues().GetBefore() != 30 ||
			len(summary.Hello.ProtoReflect().GetUnknown()) != 0 {
			t.Errorf("the spool: %+v; want client %x with messages up to 90", summary, id)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestResendOnceMoreToASupervisorThatKnewNothing(t *testing.T) {
	b := startBooks(t)
	hello, path := keepSpool(t, 51, 200, true)
	id := protocol.RestID(hello.GetClientId(), "run-1", 50)
	mine := b.of(id[:])
	for n := 1; n <= 30; n++ {
		m := scripted.Note(50+n, 20)
		m.Seq = uint64(n)
		mine.Messages = append(mine.Messages, m)
	}
	if r := resendTo(t, b.Address, path); !r.Complete() || r.Known != 30 || r.Durable != 150 {
		t.Errorf("Resend = %+v", r)
	}
	checkNotes(t, mine, 51, 200, true)
}

// Messages that were only in the memory of a killed client are missing in the run.
func TestResendBehindAHole(t *testing.T) {
	b := startBooks(t)
	hello, path := keepSpool(t, 51, 200, true)
	mine := b.of(hello.GetClientId())
	for n := 1; n <= 40; n++ {
		mine.Messages = append(mine.Messages, &bulkheadv1.Message{Seq: uint64(n)})
	}
	if r := resendTo(t, b.Address, path); !r.Complete() || r.UnknownFrom != 41 || r.Unknown != 50 || r.Durable != 150 {
		t.Errorf("Resend = %+v", r)
	}
	if _, _, goodbye := mine.Snapshot(); goodbye != nil {
		t.Error("a session with a hole was closed")
	}
}

// The session was given up: what it has not becomes a session of its own.
func TestResendToALostSession(t *testing.T) {
	for _, test := range []struct {
		name                    string
		lostAfter, after, known uint64
		first                   int
		unknownFrom, unknown    uint64
	}{
		{"where the spool begins", 50, 50, 0, 51, 0, 0},
		{"acks of the last ten were lost", 60, 60, 10, 61, 0, 0},
		{"behind a hole", 40, 50, 0, 51, 41, 50},
		{"all but one is there", 199, 199, 149, 200, 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := startBooks(t)
			hello, path := keepSpool(t, 51, 200, true)
			b.lose(hello.GetClientId(), test.lostAfter)
			r := resendTo(t, b.Address, path)
			if !r.Complete() || !r.Lost || r.LostAfter != test.lostAfter || r.Durable != 150 || r.Known != test.known ||
				r.UnknownFrom != test.unknownFrom || r.Unknown != test.unknown || !r.Removed || r.RunID != "run-1" {
				t.Errorf("Resend = %+v", r)
			}
			id := protocol.RestID(hello.GetClientId(), "run-1", test.after)
			checkNotes(t, b.of(id[:]), test.first, 200, true)
			if _, _, goodbye := b.of(id[:]).Snapshot(); goodbye.GetLastSeq() != uint64(200-test.first+1) {
				t.Errorf("goodbye = %v", goodbye)
			}
			if n := notes(b.of(hello.GetClientId())); len(n) != 0 {
				t.Errorf("the lost session has got %v", n)
			}
		})
	}
}

func TestResendToALostSessionThatHasAll(t *testing.T) {
	b := startBooks(t)
	hello, path := keepSpool(t, 51, 200, true)
	b.lose(hello.GetClientId(), 200)
	if r := resendTo(t, b.Address, path); !r.Complete() || !r.Lost || r.Known != 150 || r.Durable != 150 || !r.Removed {
		t.Errorf("Resend = %+v", r)
	}
}

// A delivery to a session of its own may be interrupted and lost as well, even with
// nothing in it.
func TestResendToASessionThatWasLostTwice(t *testing.T) {
	b := startBooks(t)
	hello, path := keepSpool(t, 51, 200, true)
	first := protocol.RestID(hello.GetClientId(), "run-1", 60)
	second := protocol.RestID(first[:], "run-1", 30)
	third := protocol.RestID(second[:], "run-1", 0)
	b.lose(hello.GetClientId(), 60)
	b.lose(first[:], 30)
	b.lose(second[:], 0)
	if r := resendTo(t, b.Address, path); !r.Complete() || r.Known != 40 || r.Durable != 150 || !r.Removed {
		t.Errorf("Resend = %+v", r)
	}
	checkNotes(t, b.of(third[:]), 91, 200, true)
}

// A session may also be lost while its rest is being delivered.
func TestResendThatLosesItsSession(t *testing.T) {
	b := startBooks(t)
	hello, path := keepSpool(t, 1, 100, true)
	b.Collector.Acts = []scripted.Act{scripted.BreakAfter(2, true, scripted.Cut),
		func(c *scripted.Collector, _ scripted.ServerStream) error {
			messages, _, _ := c.Snapshot()
			b.lose(hello.GetClientId(), uint64(len(messages)))
			return b.ended(hello.GetClientId())
		}, b.Collector.Acts[0]}
	r := resendTo(t, b.Address, path)
	if !r.Complete() || !r.Lost || r.LostAfter == 0 || r.LostAfter >= 100 || r.Durable != 100 {
		t.Fatalf("Resend = %+v", r)
	}
	id := protocol.RestID(hello.GetClientId(), "run-1", r.LostAfter)
	checkNotes(t, b.of(id[:]), int(r.LostAfter)+1, 100, true)
}

func TestResendUpToTheDamage(t *testing.T) {
	for _, test := range []struct {
		name    string
		damage  func([]byte) []byte
		want    int
		goodbye bool
		words   string
	}{
		{"torn", func(b []byte) []byte { return b[:len(b)-2] }, 99, true, "the file ends in the middle of it"},
		{"flipped", func(b []byte) []byte {
			at := bytes.Index(b, []byte("70:xxx"))
			b[at] ^= 1
			return b
		}, 69, false, "a frame does not match its checksum"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := startBooks(t)
			hello, path := keepSpool(t, 1, 100, false)
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, test.damage(data), 0o600); err != nil {
				t.Fatal(err)
			}
			r := resendTo(t, b.Address, path)
			if r.Complete() || r.Failure != nil || r.Durable != uint64(test.want) || r.Removed ||
				!strings.Contains(r.Damage, test.words) || !strings.HasPrefix(r.Damage, "at offset ") {
				t.Errorf("Resend = %+v", r)
			}
			mine := b.of(hello.GetClientId())
			checkNotes(t, mine, 1, test.want, false)
			if _, _, goodbye := mine.Snapshot(); (goodbye != nil) != test.goodbye {
				t.Errorf("goodbye = %v", goodbye)
			}
			if _, err := os.Stat(path); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestResendThatIsRefused(t *testing.T) {
	for _, test := range []struct {
		code codes.Code
		text string
		want string
	}{
		{codes.FailedPrecondition, "the run is ending; it takes no new clients",
			"the supervisor refused: the run is ending; it takes no new clients"},
		{codes.FailedPrecondition, protocol.SessionOver{Outcome: bulkheadv1.Outcome_OUTCOME_REJECTED, After: 3,
			Run: "r", Cause: "a gap"}.String(), "rejected after message 3 of run r (a gap)"},
		{codes.FailedPrecondition, "this session is over: lost somehow", "this session is over: lost somehow"},
		{codes.DataLoss, protocol.SessionOver{Outcome: bulkheadv1.Outcome_OUTCOME_QUARANTINED, After: 3,
			Run: "r", Cause: "killed 3 handlers"}.String(), "the spool is poison"},
		{codes.DataLoss, protocol.SessionOver{Outcome: bulkheadv1.Outcome_OUTCOME_LOST, After: 3, Run: "r"}.String(),
			"quarantine"},
	} {
		c := scripted.Start(t, scripted.Refuse(test.code, test.text))
		_, path := keepSpool(t, 5, 20, false)
		r := resendTo(t, c.Address, path)
		if r.Complete() || !strings.Contains(r.Failure.Error(), test.want) || r.Durable != 0 || r.Removed {
			t.Errorf("Resend = %+v", r)
		}
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
}

// A run that ends no longer takes the rest of a lost session.
func TestResendToALostSessionOfARunThatEnds(t *testing.T) {
	b := startBooks(t)
	hello, path := keepSpool(t, 51, 200, true)
	b.lose(hello.GetClientId(), 60)
	id := protocol.RestID(hello.GetClientId(), "run-1", 60)
	b.over[string(id[:])] = status.Error(codes.FailedPrecondition, "the run is ending; it takes no new clients")
	r := resendTo(t, b.Address, path)
	if r.Complete() || !r.Lost || r.Removed || r.Durable != 10 ||
		!strings.Contains(r.Failure.Error(), "the run is ending; it takes no new clients") {
		t.Errorf("Resend = %+v", r)
	}
}

func TestResendGoesOnAfterALostConnection(t *testing.T) {
	c := scripted.Start(t, scripted.BreakAfter(2, true, scripted.Cut), scripted.Orderly)
	_, path := keepSpool(t, 1, 100, true)
	if r := resendTo(t, c.Address, path); !r.Complete() || r.Durable != 100 || r.Known != 0 {
		t.Errorf("Resend = %+v", r)
	}
	checkNotes(t, c, 1, 100, true)
}

func TestResendGivesUp(t *testing.T) {
	address := scripted.ClosedAddress(t)
	_, path := keepSpool(t, 1, 10, true)
	r, err := Resend(context.Background(), ResendConfig{Spool: path, Supervisor: value.Addresses{address},
		ConnectTimeout: 300e6})
	if err != nil || r.Complete() || r.Removed || !strings.Contains(r.Failure.Error(), "not reachable in ") ||
		!strings.Contains(r.Failure.Error(), "(connection refused)") {
		t.Errorf("Resend = %+v, %v", r, err)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	reason := errors.New("enough")
	cancel(reason)
	r, err = Resend(ctx, ResendConfig{Spool: path, Supervisor: value.Addresses{address}})
	if err != nil || !errors.Is(r.Failure, reason) {
		t.Errorf("Resend = %+v, %v; want %v", r, err, reason)
	}
}

func TestResendNeedsASpool(t *testing.T) {
	_, path := keepSpool(t, 1, 10, true)
	for _, bad := range []string{filepath.Join(t.TempDir(), "nothing"), t.TempDir(), os.Args[0]} {
		if r, err := Resend(context.Background(), ResendConfig{Spool: bad}); err == nil {
			t.Errorf("Resend of %s = %+v", bad, r)
		}
	}
	nowhere := ResendConfig{Spool: path, Supervisor: value.Addresses{"nowhere"}}
	if _, err := Resend(context.Background(), nowhere); err == nil {
		t.Error("a supervisor without a port is taken")
	}
	held, _, err := outbox.OpenSpool(path)
	if err != nil {
		t.Fatal(err)
	}
	defer held.File.Close()
	if _, err := Resend(context.Background(), ResendConfig{Spool: path}); !errors.Is(err, outbox.ErrSpoolInUse) {
		t.Errorf("Resend of a spool in use: %v", err)
	}
}

func TestSpoolHasNoToken(t *testing.T) {
	_, path := keepSpool(t, 1, 10, true)
	data, err := os.ReadFile(path)
	if err != nil || bytes.Contains(data, []byte("not to be kept")) {
		t.Errorf("the token is in the spool (%v)", err)
	}
}

// What a killed client has in its spool can be delivered by another process.
func TestResendOfAKilledClient(t *testing.T) {
	c := scripted.Start(t, func(c *scripted.Collector, stream scripted.ServerStream) error {
		if err := c.Welcome(stream); err != nil {
			return err
		}
		return c.Receive(stream, func(int, uint64) error { return nil }) // never acks
	})
	p := startProgram(t, c, 1, func(cfg *spec.Config) { cfg.SpoolMemory, cfg.SpoolMaxSize = 1000, 1<<20 })
	path := p.spool(5000)
	if _, _, err := outbox.OpenSpool(path); !errors.Is(err, outbox.ErrSpoolInUse) {
		t.Errorf("the spool of a running client: %v", err)
	}
	p.signal(syscall.SIGKILL)
	scripted.Wait(t, "the client's end", p.done)

	b := startBooks(t)
	r := resendTo(t, b.Address, path)
	if !r.Complete() || r.Durable != r.Messages || r.Messages == 0 || r.Name != "tester" || !r.Removed {
		t.Errorf("Resend = %+v", r)
	}
	hellos := b.Collector.Hellos
	if got := hellos[len(hellos)-1]; got.GetWorkload().GetRuntimeNano() != int64(p.cfg.Runtime) ||
		int(got.GetPid()) != p.cmd.Process.Pid {
		t.Errorf("hello = %v; want the client's", got)
	}
}

func TestResendCommandIsFitForAShell(t *testing.T) {
	for spool, want := range map[string]string{
		"/tmp/bulkhead-1/spool": "bulkhead client resend --supervisor h:1 /tmp/bulkhead-1/spool",
		"/tmp/it's/spool":       `bulkhead client resend --supervisor h:1 '/tmp/it'\''s/spool'`,
	} {
		if got := resendCommand(spec.Config{Supervisor: value.Addresses{"h:1"}}, spool); got != want {
			t.Errorf("%s; want %s", got, want)
		}
	}
	files := spec.Config{Supervisor: value.Addresses{"h:1"}, TokenFile: "a token",
		TLS: config.ClientTLS{CA: "ca.crt", Cert: "a.crt",
			Key: "a.key", ServerName: "collector"}}
	want := "bulkhead client resend --supervisor h:1 --token-file 'a token' --tls-ca ca.crt --tls-cert a.crt " +
		"--tls-key a.key --tls-server-name collector s"
	if got := resendCommand(files, "s"); got != want {
		t.Errorf("%s; want %s", got, want)
	}
	got := resendCommand(spec.Config{Supervisor: value.Addresses{"h:1"}, Token: "secret"}, "s")
	if strings.Contains(got, "secret") || !strings.HasPrefix(got, "BULKHEAD_TOKEN=") {
		t.Errorf("%s", got)
	}
}
