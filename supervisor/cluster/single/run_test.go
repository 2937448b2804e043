package single

import (
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/cluster"
	"bulkhead/supervisor/cluster/contract"
	"bulkhead/supervisor/journal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestContract(t *testing.T) {
	contract.Test(t, func(t *testing.T) contract.Joiner {
		return contract.Joiner{Alone: true, Join: func(t testing.TB) cluster.Run {
			r, err := Create(filepath.Join(t.TempDir(), "journal"), contract.Started("run"), journal.Options{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := r.Close(); err != nil {
					t.Error(err)
				}
			})
			return r
		}}
	})
}

// A run on an open journal writes what begins a session with the session's first records, and goes on
// with the sessions that it is given.
func TestTheBeginOfASessionComesWithItsFirstRecords(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	file, err := journal.Create(dir, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := On(dir, file, 41)
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := r.Start(contract.Started("run")); err != nil {
		t.Fatal(err)
	}
	if id := r.Connection(); id != 42 {
		t.Errorf("connection %d follows 41", id)
	}
	old := r.Restore([]byte("old"), cluster.Head{Session: 6, Durable: 3})
	hello := contract.Hello("new")
	hello.Opened.SessionId = ""
	l, h, err := r.Open(t.Context(), hello)
	if err != nil || h.Session != 7 {
		t.Fatalf("session %d follows 6: %v", h.Session, err)
	}
	if n := len(contract.Collected(t, r)); n != 1 {
		t.Errorf("%d records are there before the session has one", n)
	}
	for range 2 { // in memory, and then in the journal
		o, err := l.Opened(t.Context())
		if err != nil || o.GetSessionId() != "s7" || o.GetHello().GetName() != "new" {
			t.Errorf("the session was opened by %v: %v", o, err)
		}
		var rec *bulkheadv1.Record
		h, rec = contract.Attached(h, r.Connection())
		if err := l.Append(t.Context(), h, rec); err != nil {
			t.Fatal(err)
		}
	}
	list := contract.Collected(t, r)
	if len(list) != 4 || list[1].GetSessionOpened().GetSession() != 7 || list[2].GetSessionAttached() == nil {
		t.Errorf("%d records: %v", len(list), list)
	}
	if list[1].GetElapsedNano() > list[2].GetElapsedNano() {
		t.Error("the session begins after its first connection")
	}
	next, rec := contract.Messages(cluster.Head{Session: 6, Durable: 3}, 1, 1)
	if err := old.Append(t.Context(), next, rec); err != nil {
		t.Errorf("a session that was there goes on: %v", err)
	}
}
