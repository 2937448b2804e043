package recovery

import (
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// The records of a session, short.
func opened(session uint32, name string) *bulkheadv1.Record {
	return &bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionOpened{SessionOpened: &bulkheadv1.SessionOpened{
		Session: session, SessionId: "s" + name,
		Hello: &bulkheadv1.Hello{Name: name, ClientId: []byte("client id of " + name)},
	}}}
}

func attachedBy(session uint32, connection uint64) *bulkheadv1.Record {
	return &bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionAttached{SessionAttached: &bulkheadv1.SessionAttached{
		Session: session, ConnectionId: connection, HandlerPid: int32(1000 + connection),
	}}}
}

func detachedFrom(session uint32, connection uint64) *bulkheadv1.Record {
	return &bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionDetached{SessionDetached: &bulkheadv1.SessionDetached{
		Session: session, ConnectionId: connection, Cause: "cut",
	}}}
}

func said(t testing.TB, session uint32, first, last uint64) *bulkheadv1.Record {
	t.Helper()
	b := &bulkheadv1.Batch{}
	for seq := first; seq <= last; seq++ {
		b.Messages = append(b.Messages,
			&bulkheadv1.Message{Seq: seq,
				Fact: &bulkheadv1.Message_Progress{Progress: &bulkheadv1.Progress{Bytes: 10, Chunks: 1}}})
	}
	return &bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionBatch{SessionBatch: &bulkheadv1.SessionBatch{
		Session: session, FirstSeq: first, LastSeq: last, Batch: batchBytes(t, b),
	}}}
}

func endedAs(session uint32, outcome bulkheadv1.Outcome) *bulkheadv1.Record {
	return &bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionEnded{
		SessionEnded: &bulkheadv1.SessionEnded{Session: session, Outcome: outcome}}}
}

func died(session uint32, connection uint64, class bulkheadv1.ExitClass, atWork bool) *bulkheadv1.Record {
	return &bulkheadv1.Record{Entry: &bulkheadv1.Record_HandlerExited{HandlerExited: &bulkheadv1.HandlerExited{
		Session: session, ConnectionId: connection, AtWork: atWork, Exit: &bulkheadv1.ProcessExit{Class: class},
	}}}
}

func recovered1(t *testing.T, recs ...*bulkheadv1.Record) *Past {
	t.Helper()
	r := New()
	for i, rec := range recs {
		rec.TimeUnixNano = int64(i + 1)
		if err := r.Add(rec); err != nil {
			t.Fatalf("record %d: %v", i+1, err)
		}
	}
	return r
}

const crashed = bulkheadv1.ExitClass_EXIT_CLASS_CRASH

// TestRecovery folds the journals that a killed supervisor can leave.
func TestRecovery(t *testing.T) {
	for _, tt := range []struct {
		name    string
		recs    []*bulkheadv1.Record
		state   bulkheadv1.SessionState
		durable uint64
		kills   int
		resumes uint32
		open    int // handlers without an end
	}{
		{"opened only", []*bulkheadv1.Record{opened(1, "a")}, fresh, 0, 0, 0, 0},
		{"active", []*bulkheadv1.Record{opened(1, "a"), attachedBy(1, 7), said(t, 1, 1, 5)}, active, 5, 0, 1, 1},
		{"away", []*bulkheadv1.Record{opened(1, "a"), attachedBy(1, 7), said(t, 1, 1, 5), detachedFrom(1, 7),
			died(1, 7, crashed, false)}, away, 5, 0, 1, 0},
		{"detached, its handler still there",
			[]*bulkheadv1.Record{opened(1, "a"), attachedBy(1, 7), detachedFrom(1, 7)}, away, 0, 0, 1, 1},
		{"resumed", []*bulkheadv1.Record{opened(1, "a"), attachedBy(1, 7), detachedFrom(1, 7),
			died(1, 7, crashed, false), attachedBy(1, 9), said(t, 1, 1, 2)}, active, 2, 0, 2, 1},
		{"kept through a restart", []*bulkheadv1.Record{opened(1, "a"), attachedBy(1, 7), said(t, 1, 1, 2),
			attachedBy(1, 7), said(t, 1, 3, 3)}, active, 3, 0, 1, 1},
		{"closed", []*bulkheadv1.Record{opened(1, "a"), attachedBy(1, 7), said(t, 1, 1, 2),
			endedAs(1, bulkheadv1.Outcome_OUTCOME_CLOSED)}, closed, 2, 0, 1, 1},
		{"lost", []*bulkheadv1.Record{opened(1, "a"), attachedBy(1, 7), detachedFrom(1, 7),
			endedAs(1, bulkheadv1.Outcome_OUTCOME_LOST)}, lost, 0, 0, 1, 1},
		{"quarantined", []*bulkheadv1.Record{opened(1, "a"), attachedBy(1, 7),
			endedAs(1, bulkheadv1.Outcome_OUTCOME_QUARANTINED)}, quarantined, 0, 0, 1, 1},
		{"two handlers killed by the same messages", []*bulkheadv1.Record{
			opened(1, "a"), attachedBy(1, 7), said(t, 1, 1, 2), detachedFrom(1, 7), died(1, 7, crashed, true),
			attachedBy(1, 8), detachedFrom(1, 8), died(1, 8, crashed, true),
		}, away, 2, 2, 2, 0},
		{"two handlers killed, with progress between", []*bulkheadv1.Record{
			opened(1, "a"), attachedBy(1, 7), said(t, 1, 1, 2), detachedFrom(1, 7), died(1, 7, crashed, true),
			attachedBy(1, 8), said(t, 1, 3, 3), detachedFrom(1, 8), died(1, 8, crashed, true),
		}, away, 3, 1, 2, 0},
		{"killed while idle", []*bulkheadv1.Record{opened(1, "a"), attachedBy(1, 7), detachedFrom(1, 7),
			died(1, 7, crashed, false)}, away, 0, 0, 1, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := recovered1(t, tt.recs...)
			if len(r.Sessions) != 1 {
				t.Fatalf("%d sessions; want 1", len(r.Sessions))
			}
			s := r.Sessions[1]
			if s.State != tt.state || s.Durable != tt.durable || s.Poison.Kills != tt.kills ||
				s.Attaches != tt.resumes || len(r.Open) != tt.open {
				t.Errorf(
					"%v after %d with %d kills, %d attachments, %d open handlers; want %v after %d with %d, %d, %d",
					s.State, s.Durable, s.Poison.Kills, s.Attaches, len(r.Open), tt.state, tt.durable, tt.kills,
					tt.resumes, tt.open)
			}
			if s.Total.Messages != s.Durable || s.Total.Bytes != 10*s.Durable {
				t.Errorf("figures %+v for %d messages", s.Total, s.Durable)
			}
		})
	}
}

func TestRecoveryOfARun(t *testing.T) {
	r := recovered1(t,
		&bulkheadv1.Record{Entry: &bulkheadv1.Record_RunStarted{RunStarted: &bulkheadv1.RunStarted{RunId: "r"}}},
		opened(1, "a"), attachedBy(1, 3), opened(2, "b"), attachedBy(2, 4),
		&bulkheadv1.Record{Entry: &bulkheadv1.Record_ConnectionRejected{
			ConnectionRejected: &bulkheadv1.ConnectionRejected{ConnectionId: 12}}},
		&bulkheadv1.Record{Entry: &bulkheadv1.Record_SupervisorRestarted{
			SupervisorRestarted: &bulkheadv1.SupervisorRestarted{}}},
		&bulkheadv1.Record{Entry: &bulkheadv1.Record_DrainStarted{
			DrainStarted: &bulkheadv1.DrainStarted{Reason: "enough"}}},
	)
	if r.RunID != "r" || r.Accepted != 12 || r.Refused != 1 || r.Restarts != 1 || r.Ended ||
		r.Drain.Reason != "enough" {
		t.Errorf("recovered %+v", r)
	}
	if got := r.Orphans(map[uint64]bool{4: true}); len(got) != 1 || got[0] != 3 {
		t.Errorf("orphans %v; want connection 3", got)
	}
	if a := r.Adrift(); len(a) != 2 || a[3] != r.Sessions[1] || a[4] != r.Sessions[2] {
		t.Errorf("adrift %v", a)
	}
}

// A journal that contradicts itself is not continued.
func TestRecoveryRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		recs []*bulkheadv1.Record
		want string
	}{
		"session opened twice": {[]*bulkheadv1.Record{opened(2, "a"), opened(2, "b")}, "session 2 is opened again"},
		"unknown session":      {[]*bulkheadv1.Record{attachedBy(1, 1)}, "session 1 was never opened"},
		"session 0":            {[]*bulkheadv1.Record{detachedFrom(0, 1)}, "session 0 was never opened"},
		"gap":                  {[]*bulkheadv1.Record{opened(1, "a"), said(t, 1, 2, 3)}, "messages 2 to 3 after 0"},
		"not a batch": {[]*bulkheadv1.Record{opened(1, "a"),
			{Entry: &bulkheadv1.Record_SessionBatch{SessionBatch: &bulkheadv1.SessionBatch{
				Session: 1, FirstSeq: 1, LastSeq: 1, Batch: []byte{0xff},
			}}}}, "does not decode"},
	} {
		t.Run(name, func(t *testing.T) {
			r := New()
			var err error
			for _, rec := range tt.recs {
				if err = r.Add(rec); err != nil {
					break
				}
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v; want an error with %q", err, tt.want)
			}
		})
	}
}

// Sessions that begin at the same time are recorded in any order, and a kill can leave
// out those that were to come first.
func TestRecoveryKeepsSessionsInOrder(t *testing.T) {
	r := recovered1(t, opened(5, "e"), opened(3, "c"), opened(4, "d"))
	var got []uint32
	for _, s := range r.InOrder() {
		got = append(got, s.Number)
	}
	if !slices.Equal(got, []uint32{3, 4, 5}) {
		t.Errorf("sessions %v; want 3, 4, 5", got)
	}
}

func batchBytes(t testing.TB, b *bulkheadv1.Batch) []byte {
	t.Helper()
	data, err := proto.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
