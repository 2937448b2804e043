package jetstream

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bulkhead/internal/testing/engine"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/cluster"
	"bulkhead/supervisor/cluster/contract"
	"bulkhead/supervisor/journal"
)

func detachedIfAttached(h cluster.Head) []*bulkheadv1.Record {
	if h.Phase != bulkheadv1.SessionState_SESSION_STATE_ACTIVE {
		return nil
	}
	return []*bulkheadv1.Record{contract.Detached(h)}
}

// sourceOf returns where a run can be read.
func sourceOf(c *engine.Cluster, run string) Source {
	s := Source{Run: run, Patience: 5 * time.Second}
	for _, n := range c.Nodes {
		s.Nodes = append(s.Nodes, Node{URL: n.URL, Monitor: n.Monitor})
	}
	return s
}

// finishedRun makes a run with some sessions of two supervisors, which is over.
func finishedRun(t *testing.T, c *engine.Cluster) *Run {
	run := newRunID()
	a, b := joinRun(t, c, run), joinRun(t, c, run)
	for _, client := range []string{"one", "two", "three", "four"} {
		for _, r := range []*Run{a, b} {
			l, h, err := r.Open(t.Context(), contract.Hello(client))
			if err != nil {
				t.Fatal(err)
			}
			recs := detachedIfAttached(h)
			h, rec := contract.Attached(h, r.Connection())
			recs = append(recs, rec)
			for range 8 {
				h, rec = contract.Messages(h, 2, 1000)
				recs = append(recs, rec)
			}
			if r == b {
				h, rec = contract.Over(h)
				recs = append(recs, rec)
			}
			if err := l.Append(t.Context(), h, recs...); err != nil {
				t.Fatal(err)
			}
		}
	}
	endRun(t, a)
	return a
}

// bytesOf returns the segments of a journal.
func bytesOf(t *testing.T, dir string) (whole []byte) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*"+journal.SegmentSuffix))
	if err != nil || len(names) < 2 {
		t.Fatalf("%d segments: %v", len(names), err)
	}
	slices.Sort(names)
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		whole = append(whole, data...)
	}
	return whole
}

// TestExportIsTheSameFromEveryNode exports a run from each of three nodes alone: the bytes are the
// same, and are an ordinary journal that keeps every invariant.
func TestExportIsTheSameFromEveryNode(t *testing.T) {
	c := engine.Start(t, engine.Options{})
	r := finishedRun(t, c)
	var first Exported
	var whole []byte
	for i := range c.Nodes {
		s := sourceOf(c, r.names.run)
		s.Nodes = s.Nodes[i : i+1]
		dir := filepath.Join(t.TempDir(), "journal")
		made, err := Export(t.Context(), s, dir, 64<<10)
		if err != nil || len(made.Damage) > 0 || len(made.Unseen) > 0 {
			t.Fatalf("from node %d: %v, %v: %v", i+1, made.Damage, made.Unseen, err)
		}
		if made.Node != c.Nodes[i].Name || !made.Ended {
			t.Errorf("node %d is called %q; the run has ended: %v", i+1, made.Node, made.Ended)
		}
		if i == 0 {
			first, whole = made, bytesOf(t, dir)
		}
		if made.Sum != first.Sum || !bytes.Equal(bytesOf(t, dir), whole) {
			t.Errorf("from node %d: %x; want %x", i+1, made.Sum, first.Sum)
		}
		report, err := journal.Check(dir)
		if err := errors.Join(err, report.Err()); err != nil || !report.Ended || report.Sessions != 4 ||
			report.Messages != 4*32 {
			t.Errorf("%d messages of %d sessions: %v", report.Messages, report.Sessions, err)
		}
		if said, err := r.Reported(t.Context(), made.Sum); err != nil || said != first.Sum {
			t.Errorf("reported is %x: %v", said, err)
		}
	}
	if said, err := r.Reported(t.Context(), [32]byte{1}); err != nil || said != first.Sum {
		t.Errorf("who comes to something else is told %x: %v", said, err)
	}
}

// TestAFactAfterTheEndIsNotOfTheRun appends after the end: the export does not change.
func TestAFactAfterTheEndIsNotOfTheRun(t *testing.T) {
	c := engine.Start(t, engine.Options{Nodes: 1})
	r := finishedRun(t, c)
	var sums [][32]byte
	for range 2 {
		made, err := Export(t.Context(), sourceOf(c, r.names.run), filepath.Join(t.TempDir(), "journal"), 0)
		if err != nil {
			t.Fatal(err)
		}
		sums = append(sums, made.Sum)
		l, h, err := r.Open(t.Context(), contract.Hello("one"))
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Append(t.Context(), h, &bulkheadv1.Record{Entry: &bulkheadv1.Record_HandlerExited{
			HandlerExited: &bulkheadv1.HandlerExited{Session: h.Session}}}); err != nil {
			t.Fatal(err)
		}
	}
	if sums[0] != sums[1] {
		t.Error("the export has changed")
	}
}

// TestAFlippedBitIsNamed flips a bit in the store of one replica while its node is down. The node, the
// stream and the message are named, and the export is read from another one.
func TestAFlippedBitIsNamed(t *testing.T) {
	c := engine.Start(t, engine.Options{})
	r := finishedRun(t, c)
	whole, err := Export(t.Context(), sourceOf(c, r.names.run), filepath.Join(t.TempDir(), "journal"), 0)
	if err != nil {
		t.Fatal(err)
	}
	stream := r.names.stream(r.names.shard([]byte("one")))
	n := c.Nodes[0]
	n.Terminate()
	if err := n.Flip(stream); err != nil {
		t.Fatal(err)
	}
	if err := n.Start(); err != nil {
		t.Fatal(err)
	}
	c.Ready()
	damage, unseen, err := Examine(t.Context(), sourceOf(c, r.names.run))
	if err != nil || len(unseen) > 0 {
		t.Fatalf("%v: %v", unseen, err)
	}
	if len(damage) == 0 {
		t.Fatal("the damage is not found")
	}
	for _, d := range damage {
		t.Log(d.Error())
		if d.Node != n.Name || d.Stream != stream || d.Sequence == 0 || !strings.Contains(d.Error(), n.Name) {
			t.Errorf("damage of node %s, stream %s is named: %v", n.Name, stream, &d)
		}
	}
	made, err := Export(t.Context(), sourceOf(c, r.names.run), filepath.Join(t.TempDir(), "journal"), 0)
	if err != nil || made.Sum != whole.Sum || made.Node == n.Name || len(made.Damage) == 0 {
		t.Errorf("the export is from %s, %x, with the damage %v: %v", made.Node, made.Sum, made.Damage, err)
	}
	s := sourceOf(c, r.names.run)
	s.Nodes = s.Nodes[:1]
	dir := filepath.Join(t.TempDir(), "journal")
	if _, err := Export(t.Context(), s, dir, 0); !errors.Is(err, ErrDamaged) {
		t.Errorf("from the damaged node alone: %v", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("something was written: %v", err)
	}
	if report := contract.Checked(t, contract.Collected(t, r)); report.Messages != 4*32 {
		t.Errorf("%d messages are read", report.Messages) // from whichever replica is whole
	}
}
