package consumer

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"bulkhead/internal/latency"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// TestSizes runs many combinations of chunk and file size on real files: each
// file has exactly its size, and the accounts agree with each other.
func TestSizes(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	type sizes struct{ chunk, file uint64 }
	cases := []sizes{{1, 1}, {1, 2}, {1000, 1000}, {1000, 1001}, {1000, 1999}, {1000, 2000},
		{4096, 4096}, {4096, 4097}, {1 << 20, 1 << 20}, {1 << 20, 3<<20 - 1}, {5 << 20, 5<<20 + 1}}
	for range 25 {
		chunk := 1 + random.Uint64N(200_000)
		cases = append(cases, sizes{chunk, chunk + random.Uint64N(1_000_000)})
	}
	for _, c := range cases {
		t.Run(fmt.Sprintf("%d_%d", c.chunk, c.file), func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			p := start(t, dial(t, New(Options{})),
				request(folder, c.chunk, c.file, func(task *bulkheadv1.ConsumerTask) {
					task.Keep = true
				}))
			p.untilFiles(4)
			p.kill(0)
			messages := p.orderlyEnd()
			checkAccounts(t, messages)
			for _, r := range rollovers(messages) {
				info, err := os.Stat(r.GetPath())
				if r.GetPartial() {
					if err != nil || uint64(info.Size()) != r.GetSizeBytes() || r.GetSizeBytes() >= c.file {
						t.Errorf("partial file: %v, %v", r, err)
					}
					continue
				}
				wantChunks := (c.file + c.chunk - 1) / c.chunk
				if r.GetSizeBytes() != c.file || r.GetChunks() != wantChunks || r.GetChunkSizeBytes() != c.chunk {
					t.Errorf("rollover %v, want %d bytes in %d chunks", r, c.file, wantChunks)
				}
				if err == nil && uint64(info.Size()) != c.file {
					t.Errorf("%s has %d bytes, want %d", r.GetPath(), info.Size(), c.file)
				}
			}
		})
	}
}

// checkAccounts checks what holds for the messages of every undisturbed run.
func checkAccounts(t *testing.T, messages []*bulkheadv1.Message) {
	t.Helper()
	var bytes, chunks, recorded uint64
	for i, m := range messages {
		if (m.GetStart() != nil) != (i == 0) {
			t.Errorf("message %d is %v; the Start is the first and only", i, m)
		}
		p := m.GetProcess()
		if m.GetSeq() != 0 || m.GetTimeUnixNano() == 0 || p.GetPid() != int32(os.Getpid()) || p.GetIndex() != 3 {
			t.Errorf("message %d is badly addressed: %v", i, m)
		}
	}
	for i, r := range rollovers(messages) {
		bytes += r.GetSizeBytes()
		chunks += r.GetChunks()
		if r.GetFileIndex() != uint64(i) {
			t.Errorf("rollover %d has file number %d", i, r.GetFileIndex())
		}
		if r.GetCreateNano() <= 0 || r.GetWriteNano() <= 0 || r.GetCloseNano() <= 0 || r.GetFirstWriteUnixNano() == 0 {
			t.Errorf("rollover %d lacks a phase: %v", i, r)
		}
	}
	for _, p := range progresses(messages) {
		h, err := latency.FromProto(p.GetChunkWrite())
		if err != nil {
			t.Errorf("histogram: %v", err)
			continue
		}
		if h.Count() != p.GetChunks() {
			t.Errorf("histogram of %d values for %d chunks", h.Count(), p.GetChunks())
		}
		recorded += h.Count()
	}
	total := sum(messages)
	if total.GetBytes() != bytes || total.GetChunks() != chunks || recorded != chunks || total.GetErrors() != 0 {
		t.Errorf("progress sums to %v, rollovers to %d bytes in %d chunks", total, bytes, chunks)
	}
	if messages[len(messages)-1].GetProgress() == nil {
		t.Errorf("the last message is %v, want a Progress", messages[len(messages)-1])
	}
}

func TestStartEchoesSpec(t *testing.T) {
	folder := t.TempDir()
	p := start(t, dial(t, New(Options{})), request(folder, 1000, 5000, nil))
	p.untilFiles(1)
	p.kill(0)
	spec := p.orderlyEnd()[0].GetStart().GetConsumer()
	if spec.GetPath() != folder || spec.GetChunkSizeBytes() != 1000 || spec.GetFileSizeBytes() != 5000 ||
		spec.GetKeepFiles() != 2 {
		t.Errorf("Start says %v", spec)
	}
}

func TestFilesAreRemovedAtTheEndUnlessKept(t *testing.T) {
	for _, c := range []struct {
		keep      bool
		keepFiles uint32
		min, max  int // names left, a partial file included
	}{
		{false, 2, 0, 0},
		{false, 0, 0, 0},
		{true, 2, 2, 3},
		{true, 1, 1, 2},
		{true, 0, 5, 1 << 30},
	} {
		t.Run(fmt.Sprintf("keep=%v,keep_files=%d", c.keep, c.keepFiles), func(t *testing.T) {
			folder := t.TempDir()
			other := filepath.Join(folder, "not-ours")
			if err := os.WriteFile(other, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			p := start(t, dial(t, New(Options{})), request(folder, 4096, 65536, func(task *bulkheadv1.ConsumerTask) {
				task.Keep = c.keep
				task.Spec.KeepFiles = c.keepFiles
			}))
			p.untilFiles(5)
			p.kill(0)
			p.orderlyEnd()
			if n := len(entries(t, folder)) - 1; n < c.min || n > c.max {
				t.Errorf("%d files left, want %d to %d", n, c.min, c.max)
			}
			if _, err := os.Stat(other); err != nil {
				t.Errorf("a file that is not the consumer's: %v", err)
			}
		})
	}
}

func TestFolderRemovedWhileRunning(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "folder")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	p := start(t, dial(t, New(Options{})), request(folder, 4096, 1<<20, nil))
	p.untilFiles(1)
	for os.RemoveAll(folder) != nil { // a file may have come in between
	}
	p.until("error", func(m []*bulkheadv1.Message) bool { return sum(m).GetErrors() > 0 })
	if state := p.heartbeat().GetState(); state != bulkheadv1.WorkerState_WORKER_STATE_WORKING {
		t.Errorf("state while the folder is away: %v", state)
	}
	before := len(rollovers(p.messagesNow()))
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	p.untilFiles(before + 3)
	p.kill(0)
	if text := sum(p.orderlyEnd()).GetLastError(); text == "" {
		t.Error("no text of the error")
	}
	if names := entries(t, folder); len(names) != 0 {
		t.Errorf("left over: %v", names)
	}
}

// TestFolderMovedAway renames the folder: nothing more is written to it.
func TestFolderMovedAway(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "folder")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	p := start(t, dial(t, New(Options{})), request(folder, 4096, 1<<16, func(task *bulkheadv1.ConsumerTask) {
		task.Spec.StopOnError = true
	}))
	p.untilFiles(1)
	if err := os.Rename(folder, folder+"-away"); err != nil {
		t.Fatal(err)
	}
	_, err := p.end()
	if s := status.Convert(err); s.Code() != codes.Aborted ||
		!strings.Contains(s.Message(), "no such file or directory") || !strings.Contains(s.Message(), folder+"/") {
		t.Errorf("Run = %v", err)
	}
}

func TestRunTwice(t *testing.T) {
	client := dial(t, New(Options{}))
	p := start(t, client, request(t.TempDir(), 1000, 5000, nil))
	p.untilFiles(1)
	second := start(t, client, request(t.TempDir(), 1000, 5000, nil))
	if _, err := second.end(); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("second Run: %v", err)
	}
	p.kill(0)
	p.orderlyEnd()
}

func TestKillBeforeRun(t *testing.T) {
	for _, grace := range []time.Duration{0, time.Hour} {
		folder := t.TempDir()
		client := dial(t, New(Options{}))
		if _, err := client.Kill(t.Context(), &bulkheadv1.KillRequest{GraceNano: int64(grace)}); err != nil {
			t.Fatal(err)
		}
		messages := start(t, client, request(folder, 1000, 5000, func(task *bulkheadv1.ConsumerTask) {
			task.Keep = true
		})).orderlyEnd()
		if len(messages) != 2 || messages[0].GetStart() == nil || messages[1].GetProgress() == nil {
			t.Errorf("messages: %v", messages)
		}
		if names := entries(t, folder); len(names) != 0 {
			t.Errorf("files: %v", names)
		}
	}
}

func TestStates(t *testing.T) {
	c := New(Options{})
	p := &parent{t: t, client: dial(t, c)}
	if state := p.heartbeat().GetState(); state != bulkheadv1.WorkerState_WORKER_STATE_IDLE {
		t.Errorf("before Run: %v", state)
	}
	p = start(t, p.client, request(t.TempDir(), 1000, 5000, nil))
	p.untilFiles(1)
	if state := p.heartbeat().GetState(); state != bulkheadv1.WorkerState_WORKER_STATE_WORKING {
		t.Errorf("in Run: %v", state)
	}
	p.kill(0)
	p.orderlyEnd()
	if state := p.heartbeat().GetState(); state != bulkheadv1.WorkerState_WORKER_STATE_IDLE {
		t.Errorf("after Run: %v", state)
	}
}

func TestBrokenStreamEndsAndCleansUp(t *testing.T) {
	folder := t.TempDir()
	c := New(Options{})
	p := start(t, dial(t, c), request(folder, 4096, 65536, nil))
	p.untilFiles(3)
	p.cancel()
	p.end()
	select {
	case <-c.job.Load().written:
	case <-time.After(patience):
		t.Fatal("the writer continues without a parent")
	}
	if names := entries(t, folder); len(names) != 0 {
		t.Errorf("left over: %v", names)
	}
}

func TestAbandon(t *testing.T) {
	for _, keep := range []bool{false, true} {
		folder := t.TempDir()
		c := New(Options{})
		p := start(t, dial(t, c), request(folder, 4096, 65536,
			func(task *bulkheadv1.ConsumerTask) { task.Keep = keep }))
		p.untilFiles(3)
		c.Abandon()
		if left := len(entries(t, folder)) > 0; left != keep {
			t.Errorf("keep=%v: files left: %v", keep, entries(t, folder))
		}
		p.orderlyEnd()
		c.Abandon() // once more is fine
	}
}

func TestAbandonBeforeRun(t *testing.T) {
	folder := t.TempDir()
	c := New(Options{})
	c.Abandon()
	start(t, dial(t, c), request(folder, 4096, 65536, nil)).orderlyEnd()
	if names := entries(t, folder); len(names) != 0 {
		t.Errorf("left over: %v", names)
	}
}
