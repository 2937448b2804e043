package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"google.golang.org/protobuf/proto"

	"bulkhead/internal/boottime"
	"bulkhead/internal/testing/harness"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/journal"
	"bulkhead/supervisor/recovery"
)

const (
	// restartSessions are in the journal that a restart reads.
	restartSessions = 500
	// restartTail is how much of it the checkpoint does not cover: the most that a supervisor at
	// work leaves, with so few sessions.
	restartTail = 16 << 20
	restartRun  = "20260101T000000Z-be9c40"
)

// restart prints how long a supervisor that resumes a run takes until it is ready, and the
// pre-flight of an upgrade, with a checkpoint and without.
func (b *bench) restart() error {
	state, err := newDir(b.dir)
	if err != nil {
		return err
	}
	w := &journalWriter{state: filepath.Join(state, "s")}
	if err := w.write(b.journal); err != nil {
		return fmt.Errorf("writing a journal: %w", err)
	}
	fmt.Fprintf(b.out, "\n(r) a journal of %.1f GB with %d sessions open: seconds with a checkpoint / without; "+
		"median of %d (least–most)\n", float64(b.journal)/1e9, restartSessions, b.rounds)
	t := tabwriter.NewWriter(b.out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(t, "\twith\twithout\tratio")
	for _, m := range []struct {
		name string
		do   func(*journalWriter) (float64, error)
	}{{"restart", b.untilReady}, {"pre-flight", b.untilFit}} {
		var with, without, ratio spread
		for range b.rounds {
			if err := w.place(true); err != nil {
				return err
			}
			a, err := m.do(w)
			if err != nil {
				return err
			}
			if err := w.place(false); err != nil {
				return err
			}
			c, err := m.do(w)
			if err != nil {
				return err
			}
			with, without, ratio = append(with, a), append(without, c), append(ratio, a/c)
		}
		b.found(fmt.Sprintf("%s with %.3g GB of journal, s", m.name, float64(b.journal)/1e9), with.text("%.2f"))
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", m.name, with.text("%.2f"), without.text("%.2f"), ratio.text("%.3f"))
	}
	return t.Flush()
}

// args returns the flags of a supervisor on the journal.
func (w *journalWriter) args() []string {
	return []string{"--clients", fmt.Sprint(restartSessions), "--session-grace", "24h"}
}

// untilReady starts a supervisor and returns after how many seconds it is ready.
func (b *bench) untilReady(w *journalWriter) (float64, error) {
	began := time.Now()
	s, err := harness.Start(harness.SupervisorCommand(b.bin, w.state, w.args()...), w.state)
	if err != nil {
		return 0, err
	}
	defer s.Kill()
	if err := s.AwaitReady(10 * time.Minute); err != nil {
		return 0, err
	}
	return time.Since(began).Seconds(), nil
}

// untilFit runs a pre-flight and returns how many seconds it takes.
func (b *bench) untilFit(w *journalWriter) (float64, error) {
	cmd := harness.SupervisorCommand(b.bin, w.state, append(w.args(), "--preflight")...)
	began := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("pre-flight: %w\n%s", err, out)
	}
	return time.Since(began).Seconds(), nil
}

// journalWriter makes up the journal of a run whose supervisor was killed.
type journalWriter struct {
	state      string
	file       *journal.File
	checkpoint []byte
	seq        [restartSessions + 1]uint64
}

func (w *journalWriter) folder() string { return filepath.Join(w.state, "runs", restartRun, "journal") }

// write writes a journal of so many bytes, and keeps its checkpoint in memory.
func (w *journalWriter) write(size int64) error {
	if err := os.MkdirAll(filepath.Dir(w.folder()), 0o755); err != nil {
		return err
	}
	if err := os.Symlink(restartRun, filepath.Join(w.state, "runs", "latest")); err != nil {
		return err
	}
	var err error
	w.file, err = journal.Create(w.folder(), journal.Options{Sync: journal.SyncNone, SegmentBytes: 64 << 20})
	if err != nil {
		return err
	}
	err = errors.Join(w.fill(size), w.file.Close())
	if err != nil {
		return err
	}
	w.checkpoint, err = os.ReadFile(filepath.Join(w.folder(), recovery.File))
	return err
}

// fill writes the records, and the checkpoint where restartTail is to follow.
func (w *journalWriter) fill(size int64) error {
	begin := []*bulkheadv1.Record{{Entry: &bulkheadv1.Record_RunStarted{RunStarted: &bulkheadv1.RunStarted{
		RunId: restartRun, BootId: boottime.ID(), ExpectedClients: restartSessions}}}}
	for n := uint32(1); n <= restartSessions; n++ {
		begin = append(begin,
			&bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionOpened{SessionOpened: &bulkheadv1.SessionOpened{
				Session: n, SessionId: fmt.Sprintf("s%d", n),
				Hello: &bulkheadv1.Hello{
					Name: fmt.Sprintf("bench-%d", n), ClientId: fmt.Appendf(nil, "client %09d", n)}}}},
			&bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionAttached{SessionAttached: &bulkheadv1.SessionAttached{
				Session: n, ConnectionId: uint64(n), Peer: "127.0.0.1:1000"}}},
			&bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionDetached{SessionDetached: &bulkheadv1.SessionDetached{
				Session: n, ConnectionId: uint64(n), Cause: "cut"}}},
			&bulkheadv1.Record{Entry: &bulkheadv1.Record_HandlerExited{HandlerExited: &bulkheadv1.HandlerExited{
				Session: n, ConnectionId: uint64(n), Exit: &bulkheadv1.ProcessExit{}}}})
	}
	if err := w.append(begin); err != nil {
		return err
	}
	if err := w.batchesUpTo(size - restartTail); err != nil {
		return err
	}
	k := recovery.NewKeeper(w.folder(), recovery.Loaded{Past: recovery.New()}, w.file.Acknowledged,
		slog.New(slog.NewTextHandler(os.Stderr, nil)))
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); k.Run(ctx) }() // ends with stop
	k.Now(ctx)
	stop()
	<-done
	return w.batchesUpTo(size)
}

// append dates records and writes them.
func (w *journalWriter) append(recs []*bulkheadv1.Record) error {
	for _, rec := range recs {
		rec.TimeUnixNano, rec.ElapsedNano = time.Now().UnixNano(), boottime.Now()
	}
	return w.file.Append(context.Background(), recs...)
}

// batchesUpTo writes batches of all sessions in turn until the journal has so many bytes.
func (w *journalWriter) batchesUpTo(size int64) error {
	for w.file.Acknowledged() < size {
		var recs []*bulkheadv1.Record
		for n := uint32(1); n <= restartSessions; n++ {
			rec, err := w.batch(n)
			if err != nil {
				return err
			}
			recs = append(recs, rec)
		}
		if err := w.append(recs); err != nil {
			return err
		}
	}
	return nil
}

// batch returns the next messages of a session: the progress of consumers, as in (b).
func (w *journalWriter) batch(session uint32) (*bulkheadv1.Record, error) {
	b := &bulkheadv1.Batch{}
	first := w.seq[session] + 1
	for range 16 {
		w.seq[session]++
		b.Messages = append(b.Messages, &bulkheadv1.Message{
			Seq: w.seq[session], TimeUnixNano: time.Now().UnixNano(),
			Process: &bulkheadv1.Process{Kind: bulkheadv1.ProcessKind_PROCESS_KIND_CONSUMER, Index: 1, Pid: 4711},
			Fact: &bulkheadv1.Message_Progress{Progress: &bulkheadv1.Progress{
				Bytes: 64 << 20, Chunks: 64,
				ChunkWrite: &bulkheadv1.Histogram{
					ValueDelta: []uint64{400_000, 1000, 2000, 4000, 90_000}, Count: []uint64{10, 20, 20, 10, 4},
					Max: 500_000, Sum: 27_000_000,
				},
			}},
		})
	}
	data, err := proto.Marshal(b)
	return &bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionBatch{SessionBatch: &bulkheadv1.SessionBatch{
		Session: session, FirstSeq: first, LastSeq: w.seq[session], Batch: data}}}, err
}

// place puts the checkpoint beside the segments, or none.
func (w *journalWriter) place(there bool) error {
	for _, name := range []string{recovery.File, recovery.OldFile} {
		if err := os.Remove(filepath.Join(w.folder(), name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if !there {
		return nil
	}
	return os.WriteFile(filepath.Join(w.folder(), recovery.File), w.checkpoint, 0o600)
}
