package supervisor_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"bulkhead/internal/config/value"
	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor"
	"bulkhead/supervisor/report"
)

// smallFileSystem mounts a tmpfs until the test ends.
func smallFileSystem(t *testing.T, options string) string {
	t.Helper()
	mount := t.TempDir()
	if err := syscall.Mount("tmpfs", mount, "tmpfs", 0, options); err != nil {
		t.Skipf("mounting a tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(mount, 0); err != nil {
			t.Errorf("unmounting: %v", err)
		}
	})
	return mount
}

// fill takes all that is free.
func fill(t *testing.T, mount string) {
	t.Helper()
	f, err := os.Create(filepath.Join(mount, "filler"))
	must(t, err)
	defer f.Close()
	for size := 64 << 10; size > 0; {
		if _, err := f.Write(bytes.Repeat([]byte{1}, size)); errors.Is(err, syscall.ENOSPC) {
			size /= 2
		} else {
			must(t, err)
		}
	}
}

// TestARunOnAFullDiskEndsInOrder fills the file system of the state directory. What clients send is
// still acknowledged, they are asked to end, and the run has its last record and its report.
func TestARunOnAFullDiskEndsInOrder(t *testing.T) {
	for _, segment := range []int64{0, 64 << 10} { // with the next segment due, too
		mount := smallFileSystem(t, "size=8m")
		s := start(t, func(c *supervisor.Config) {
			c.StateDir = filepath.Join(mount, "state")
			c.Journal.Reserve, c.Journal.SegmentSize = 1<<20, value.Size(segment)
			c.Journal.MinFree = value.Reserve{} // nobody is asked to end before
		})
		alpha := s.greet(rawclient.Hello("alpha"), 0)
		s.deliver(alpha, 1, 3)
		disk := func() *bulkheadv1.Reserve {
			all := s.status().GetReserves()
			at := slices.IndexFunc(all,
				func(r *bulkheadv1.Reserve) bool { return r.GetKind() == bulkheadv1.ReserveKind_RESERVE_KIND_DISK })
			if at < 0 {
				t.Fatalf("status has no disk: %v", all)
			}
			return all[at]
		}
		if d := disk(); d.GetReserve() == 0 || d.GetReached() || d.GetLimit() != 8<<20 {
			t.Errorf("before: %v", d)
		}
		fill(t, mount)
		last := uint64(3)
		for s.log.count("draining") == 0 {
			s.deliver(alpha, last+1, last+100)
			last += 100
		}
		if d := disk(); d.GetReserve() != 0 || !d.GetReached() {
			t.Errorf("on a full disk: %v", d)
		}
		s.deliver(alpha, last+1, last+3) // what the client had left to say
		s.closeInOrder(alpha, last+3)
		rep := s.wait()
		if rep.Run.End == "" || rep.Run.DrainCause != report.DrainByFullDisk || rep.Clients[0].LastSeq != last+3 ||
			rep.Clients[0].Outcome != "closed" {
			t.Errorf("the run ended %q, drained by %q, client %s after %d; want all %d messages", rep.Run.End,
				rep.Run.DrainCause, rep.Clients[0].Outcome, rep.Clients[0].LastSeq, last+3)
		}
		if !slices.ContainsFunc(rep.Verdict.Reasons, func(why string) bool {
			return strings.Contains(why, "file system of the supervisor's state directory is full")
		}) {
			t.Errorf("the verdict is %+v; want why the run was drained", rep.Verdict)
		}
		if _, err := os.Stat(filepath.Join(s.dir, "report.json")); err != nil {
			t.Error(err)
		}
		for _, rec := range s.records() {
			if d := rec.GetDrainStarted(); d != nil && d.GetCause() != bulkheadv1.DrainCause_DRAIN_CAUSE_DISK_FULL {
				t.Errorf("the journal says %v", d)
			}
		}
	}
}

// TestTheReserveIsGivenBack ends a run on a file system with room: nothing of the reserve
// stays.
func TestTheReserveIsGivenBack(t *testing.T) {
	mount := smallFileSystem(t, "size=8m")
	s := start(t, func(c *supervisor.Config) {
		c.StateDir = filepath.Join(mount, "state")
		c.Journal.Reserve = 1 << 20
	})
	path := filepath.Join(s.dir, "journal", "reserve")
	var st syscall.Stat_t
	must(t, syscall.Stat(path, &st))
	if held := st.Blocks * 512; held < 512<<10 {
		t.Errorf("%d bytes are kept in reserve", held)
	}
	s.serveWhole("alpha")
	s.wait()
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the reserve: %v", err)
	}
}

// greedyFor starts a client that sends as much as it can, so many batches ahead of their acks and with
// messages longer by padding, until the test ends; that it is asked to end is nothing to it.
func (s *running) greedyFor(name string, number uint32, window uint64, padding int) *rawclient.Sender {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	g := rawclient.NewSender(rawclient.SenderConfig{Hello: rawclient.Hello(name), Addr: s.addr, Number: number,
		Batch: 128, Window: window, Padding: padding})
	go func() { _ = g.Run(ctx) }() // ends with ctx
	s.t.Cleanup(func() {
		cancel()
		must(s.t, g.AwaitEnd(patience))
	})
	return g
}

// TestAJournalWithoutRoomEndsItsRun lets greedy clients that do not end when they are asked fill a journal to
// its largest size, or a file system to what is to be left of it. The run is drained before, an honest
// client beside them has all its messages acknowledged and ends in order, and the report says why.
func TestAJournalWithoutRoomEndsItsRun(t *testing.T) {
	for _, c := range []struct {
		name, cause, why string
		most             value.Size
		free             value.Reserve
	}{
		{"the journal is full", report.DrainByJournalSize, "journal.max_size is", 32 << 20, value.Reserve{}},
		{"the disk is", report.DrainByLowDisk, "journal.min_free is", 0, value.Reserve{Size: 16 << 20}},
	} {
		t.Run(c.name, func(t *testing.T) {
			mount := smallFileSystem(t, "size=64m")
			s := start(t, func(cfg *supervisor.Config) {
				cfg.StateDir = filepath.Join(mount, "state")
				cfg.Journal.Reserve, cfg.Journal.SegmentSize = 1<<20, 1<<20
				cfg.Journal.MaxSize, cfg.Journal.MinFree = c.most, c.free
				cfg.DrainTimeout = 5 * time.Second
			})
			alpha := s.greet(rawclient.Hello("alpha"), 0)
			s.deliver(alpha, 1, 3)
			for i := range 3 {
				s.greedyFor(fmt.Sprintf("greedy-%d", i), uint32(i), 48, 1024)
			}
			s.log.await(t, "draining")
			s.deliver(alpha, 4, 6)
			s.closeInOrder(alpha, 6)
			rep := s.wait()
			if rep.Run.DrainCause != c.cause || !strings.Contains(rep.Run.DrainReason, c.why) {
				t.Errorf("the run was drained by %q: %q", rep.Run.DrainCause, rep.Run.DrainReason)
			}
			if got := wantClient(t, rep, "alpha", "closed", "said goodbye"); got.LastSeq != 6 {
				t.Errorf("the honest client has %d messages in the report; want 6", got.LastSeq)
			}
			if !strings.Contains(strings.Join(rep.Verdict.Reasons, "\n"), c.why) {
				t.Errorf("the verdict is %+v; want why the run was drained", rep.Verdict)
			}
			const full = "the file system of the state directory is full; the run ends in order, with what was kept " +
				"in reserve"
			if s.log.count(full) > 0 {
				t.Error("the disk was filled")
			}
			entries, err := os.ReadDir(filepath.Join(s.dir, "journal"))
			must(t, err)
			size := int64(0)
			for _, e := range entries {
				info, err := e.Info()
				must(t, err)
				size += info.Size()
			}
			if c.most > 0 && size > int64(c.most) {
				t.Errorf("the journal has %d bytes; it may have %d", size, c.most)
			}
		})
	}
}
