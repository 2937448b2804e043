package contract

import (
	"errors"
	"path/filepath"
	"testing"

	"google.golang.org/protobuf/proto"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/cluster"
	"bulkhead/supervisor/journal"
)

// The states that the tests use.
const (
	active = bulkheadv1.SessionState_SESSION_STATE_ACTIVE
	closed = bulkheadv1.SessionState_SESSION_STATE_CLOSED
)

// Started returns the first record of a run.
func Started(run string) *bulkheadv1.Record {
	return &bulkheadv1.Record{Entry: &bulkheadv1.Record_RunStarted{RunStarted: &bulkheadv1.RunStarted{RunId: run}}}
}

// Hello returns who wants a session.
func Hello(client string) cluster.Hello {
	return cluster.Hello{Client: []byte(client), Opened: &bulkheadv1.SessionOpened{
		SessionId: "session-of-" + client, Hello: &bulkheadv1.Hello{ClientId: []byte(client), Name: client,
			Labels: map[string]string{"a": "1", "b": "2", "c": "3", "d": "4", "e": "5"}},
	}}
}

// Attached returns the record of a connection, and the head behind it.
func Attached(h cluster.Head, connection uint64) (cluster.Head, *bulkheadv1.Record) {
	h.Connection, h.Phase = connection, active
	h.Attaches++
	return h, &bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionAttached{SessionAttached: &bulkheadv1.SessionAttached{
		Session: h.Session, ConnectionId: connection, ResumeAfter: h.Durable,
	}}}
}

// Detached returns the record of the end of a head's connection.
func Detached(h cluster.Head) *bulkheadv1.Record {
	return &bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionDetached{SessionDetached: &bulkheadv1.SessionDetached{
		Session: h.Session, ConnectionId: h.Connection, Cause: "taken",
	}}}
}

// Messages returns the record of the next n messages, of about size bytes each, and the head behind
// them.
func Messages(h cluster.Head, n, size int) (cluster.Head, *bulkheadv1.Record) {
	batch := new(bulkheadv1.Batch)
	first := h.Durable + 1
	for range n {
		h.Durable++
		batch.Messages = append(batch.Messages, &bulkheadv1.Message{Seq: h.Durable, Fact: &bulkheadv1.Message_Stop{
			Stop: &bulkheadv1.Stop{Detail: string(make([]byte, size))}}})
	}
	data, err := proto.Marshal(batch)
	if err != nil {
		panic(err) // it is valid
	}
	return h, &bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionBatch{SessionBatch: &bulkheadv1.SessionBatch{
		Session: h.Session, FirstSeq: first, LastSeq: h.Durable, Batch: data,
	}}}
}

// Over returns the record of a session's end, and the head behind it.
func Over(h cluster.Head) (cluster.Head, *bulkheadv1.Record) {
	h.Phase = closed
	return h, &bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionEnded{SessionEnded: &bulkheadv1.SessionEnded{
		Session: h.Session, Outcome: bulkheadv1.Outcome_OUTCOME_CLOSED, Cause: "said goodbye", LastSeq: h.Durable,
	}}}
}

// Collected returns the records of a run, in order.
func Collected(t testing.TB, r cluster.Run) (list []*bulkheadv1.Record) {
	t.Helper()
	for rec, err := range r.Records(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, rec)
	}
	return list
}

// Checked returns what journal.Check says of records, after it has been made a journal; records that
// break an invariant fail the test.
func Checked(t testing.TB, list []*bulkheadv1.Record) journal.Report {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "journal")
	_, err := journal.Compose(dir, 0, func(yield func([]byte, error) bool) {
		for _, rec := range list {
			if !yield(proto.Marshal(rec)) {
				return
			}
		}
	})
	report, wrong := journal.Check(dir)
	if err := errors.Join(err, wrong, report.Err()); err != nil {
		t.Fatal(err)
	}
	return report
}
