package supervisor_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor"
	"bulkhead/supervisor/journal"
	"bulkhead/supervisor/recovery"
	"bulkhead/supervisor/report"
)

// leftRun writes what a killed supervisor leaves of a run: a session that is away after message
// 5, and a checkpoint of it after message 3; more are the last records. It returns the state
// directory and the checkpoint.
func leftRun(t *testing.T, hello *bulkheadv1.Hello, more ...*bulkheadv1.Record) (state, checkpoint string) {
	t.Helper()
	const run = "20260101T000000Z-c0ffee"
	state = filepath.Join(t.TempDir(), "state")
	dir := filepath.Join(state, "runs", run, "journal")
	must(t, os.MkdirAll(filepath.Dir(dir), 0o755))
	must(t, os.Symlink(run, filepath.Join(state, "runs", "latest")))
	j, err := journal.Create(dir, journal.Options{})
	must(t, err)
	write := func(recs ...*bulkheadv1.Record) {
		for _, rec := range recs {
			rec.TimeUnixNano = time.Now().UnixNano()
		}
		must(t, j.Append(t.Context(), recs...))
	}
	said := func(first, last uint64, words int) *bulkheadv1.Record {
		b := rawclient.Batch(first, last)
		b.Messages[0].Fact = &bulkheadv1.Message_Progress{
			Progress: &bulkheadv1.Progress{LastError: strings.Repeat("x", words)}}
		data, err := proto.Marshal(b)
		must(t, err)
		return &bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionBatch{SessionBatch: &bulkheadv1.SessionBatch{
			Session: 1, FirstSeq: first, LastSeq: last, Batch: data}}}
	}
	write(&bulkheadv1.Record{Entry: &bulkheadv1.Record_RunStarted{RunStarted: &bulkheadv1.RunStarted{RunId: run}}},
		&bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionOpened{SessionOpened: &bulkheadv1.SessionOpened{
			Session: 1, SessionId: "s1", Hello: hello}}},
		&bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionAttached{SessionAttached: &bulkheadv1.SessionAttached{
			Session: 1, ConnectionId: 1, Peer: "127.0.0.1:1"}}},
		said(1, 3, 2<<20)) // more than what is worth a checkpoint that is asked for
	k := recovery.NewKeeper(dir, recovery.Loaded{Past: recovery.New()}, j.Acknowledged, slog.New(slog.DiscardHandler))
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); k.Run(ctx) }() // ends with stop
	k.Now(t.Context())
	stop()
	<-done
	write(said(4, 5, 0), &bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionDetached{
		SessionDetached: &bulkheadv1.SessionDetached{Session: 1, ConnectionId: 1, Cause: "cut"}}},
		&bulkheadv1.Record{Entry: &bulkheadv1.Record_HandlerExited{HandlerExited: &bulkheadv1.HandlerExited{
			Session: 1, ConnectionId: 1, Exit: &bulkheadv1.ProcessExit{}}}})
	write(more...)
	must(t, j.Close())
	return state, filepath.Join(dir, recovery.File)
}

// A run is resumed from its checkpoint and what follows it; from all records when the checkpoint
// is damaged, which is told; and from all records when there is none. It makes no difference to
// its client. When the report is written, no checkpoint is left.
func TestARunIsResumedFromItsCheckpoint(t *testing.T) {
	for _, tt := range []struct {
		name    string
		change  func(path string) error
		skipped bool // most of the journal is
		told    bool
	}{
		{"whole", func(string) error { return nil }, true, false},
		{"damaged", func(path string) error { return os.Truncate(path, 40) }, false, true},
		{"missing", os.Remove, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			hello := rawclient.Hello("a")
			state, checkpoint := leftRun(t, hello)
			must(t, tt.change(checkpoint))
			r := start(t, func(cfg *supervisor.Config) { cfg.StateDir = state })
			resumed := r.log.await(t, "run resumed")
			if tt.told {
				r.log.await(t, "a checkpoint of the journal is not used; more of the journal is read for it")
			}
			if n := resumed["replayed_bytes"].(float64); (n < 1<<20) != tt.skipped || n == 0 {
				t.Errorf("%v bytes were replayed, and a checkpoint was skipped to: %v", n, tt.skipped)
			}
			c := r.greet(hello, 5)
			r.deliver(c, 6, 8)
			r.closeInOrder(c, 8)
			if got := wantClient(t, r.wait(), "a", "closed", ""); got.Messages != 8 {
				t.Errorf("the report has %d messages; want 8", got.Messages)
			}
			left, err := filepath.Glob(checkpoint + "*")
			must(t, err)
			if len(left) > 0 {
				t.Errorf("left are %v", left)
			}
		})
	}
}

// A drain begins with a checkpoint, which has it: a supervisor that is killed in the drain leaves
// little to read.
func TestADrainBeginsWithACheckpoint(t *testing.T) {
	s := start(t, nil)
	c := s.greet(rawclient.Hello("a"), 0)
	long := rawclient.Batch(1, 40)
	for _, m := range long.Messages {
		m.Fact = &bulkheadv1.Message_Progress{Progress: &bulkheadv1.Progress{
			LastError: strings.Repeat("x", 1000)}}
	}
	for first := uint64(1); first < 2<<20/1000; first += 40 { // more than what is worth one that is wished for
		for i, m := range long.Messages {
			m.Seq = first + uint64(i)
		}
		must(t, c.Send(&bulkheadv1.ClientFrame{Frame: &bulkheadv1.ClientFrame_Batch{Batch: long}}))
		must(t, c.AwaitAck(first+39))
	}
	s.interrupts <- syscall.SIGTERM
	wantDrain(t, c, "the supervisor received terminated", patience)
	s.log.await(t, "checkpoint of the journal made")
	l, err := recovery.Load(filepath.Join(s.dir, "journal"))
	must(t, err)
	if l.File != recovery.File || l.Bytes > 1<<20 || l.Past.Drain.Reason == "" || l.Past.Sessions[1].Durable < 2000 {
		t.Errorf("loaded from %q, and then %d bytes: drained %q, %+v", l.File, l.Bytes, l.Past.Drain.Reason,
			l.Past.Sessions[1])
	}
	s.closeInOrder(c, l.Past.Sessions[1].Durable)
	wantClient(t, s.wait(), "a", "closed", "said goodbye")
}

// damageSecondRecord flips a bit in a record that a checkpoint covers, and does not end with.
func damageSecondRecord(t *testing.T, checkpoint string) {
	t.Helper()
	path := filepath.Join(filepath.Dir(checkpoint), "00000001.seg")
	data, err := os.ReadFile(path)
	must(t, err)
	data[bytes.Index(data, []byte("\x12\x02s1"))+2] ^= 1 // the id in SessionOpened
	must(t, os.WriteFile(path, data, 0o600))
}

// A run that is too old to be resumed, and damaged where a checkpoint covers it, is no reason
// not to start.
func TestADamagedRunThatIsTooOld(t *testing.T) {
	state, checkpoint := leftRun(t, rawclient.Hello("a"))
	damageSecondRecord(t, checkpoint)
	r := start(t, func(cfg *supervisor.Config) { cfg.StateDir, cfg.ResumeWithin = state, time.Nanosecond })
	hello := rawclient.Hello("b")
	c := r.greet(hello, 0)
	r.deliver(c, 1, 2)
	r.closeInOrder(c, 2)
	wantClient(t, r.wait(), "b", "closed", "")
}

// A run that is resumed behind damage is drained as soon as that is found: what clients say is
// behind the end of its report.
func TestARunResumedBehindDamageIsDrained(t *testing.T) {
	hello := rawclient.Hello("a")
	state, checkpoint := leftRun(t, hello)
	damageSecondRecord(t, checkpoint)
	// The client stays away, and would be waited for: it is the drain that ends the run.
	r := start(t, func(cfg *supervisor.Config) { cfg.StateDir, cfg.DrainTimeout = state, time.Millisecond })
	r.log.await(t, "the run is drained: the journal is damaged, and the report ends where that is")
	must(t, r.ended())
	if rep := <-r.reports; rep.Verdict.Word == report.WordComplete {
		t.Errorf("the verdict is %+v", rep.Verdict)
	}
}
