package journal

import (
	"fmt"
	"testing"

	"google.golang.org/protobuf/proto"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// The records of a run, as short as they can be told.

func runStarted() *bulkheadv1.Record {
	return &bulkheadv1.Record{TimeUnixNano: 1, Entry: &bulkheadv1.Record_RunStarted{
		RunStarted: &bulkheadv1.RunStarted{RunId: "run"}}}
}

func opened(session uint32) *bulkheadv1.Record {
	return &bulkheadv1.Record{TimeUnixNano: 2, Entry: &bulkheadv1.Record_SessionOpened{
		SessionOpened: &bulkheadv1.SessionOpened{Session: session, Hello: &bulkheadv1.Hello{
			ClientId: fmt.Appendf(nil, "client %09d", session), Name: "c"}}}}
}

// attached takes a session up by its first connection, whose number is the session's.
func attached(session uint32, resumeAfter uint64) *bulkheadv1.Record {
	return attachedBy(uint64(session), session, resumeAfter)
}

func attachedBy(connection uint64, session uint32, resumeAfter uint64) *bulkheadv1.Record {
	return &bulkheadv1.Record{TimeUnixNano: 3, Entry: &bulkheadv1.Record_SessionAttached{
		SessionAttached: &bulkheadv1.SessionAttached{Session: session, ConnectionId: connection,
			ResumeAfter: resumeAfter}}}
}

// batch returns a record with the messages first … last.
func batch(session uint32, first, last uint64) *bulkheadv1.Record {
	return batchOf(session, first, last, encodedBatch(first, last))
}

func batchOf(session uint32, first, last uint64, encoded []byte) *bulkheadv1.Record {
	return &bulkheadv1.Record{TimeUnixNano: 4, Entry: &bulkheadv1.Record_SessionBatch{
		SessionBatch: &bulkheadv1.SessionBatch{Session: session, FirstSeq: first, LastSeq: last, Batch: encoded}}}
}

func encodedBatch(first, last uint64) []byte {
	b := &bulkheadv1.Batch{}
	for seq := first; seq <= last; seq++ {
		b.Messages = append(b.Messages, &bulkheadv1.Message{Seq: seq})
	}
	encoded, err := proto.Marshal(b)
	if err != nil {
		panic(err) // no message in it can be refused
	}
	return encoded
}

// detached ends the first connection of a session.
func detached(session uint32) *bulkheadv1.Record {
	return detachedFrom(uint64(session), session)
}

func detachedFrom(connection uint64, session uint32) *bulkheadv1.Record {
	return &bulkheadv1.Record{TimeUnixNano: 5, Entry: &bulkheadv1.Record_SessionDetached{
		SessionDetached: &bulkheadv1.SessionDetached{Session: session, ConnectionId: connection, Cause: "cut"}}}
}

func restarted() *bulkheadv1.Record {
	return &bulkheadv1.Record{TimeUnixNano: 9, Entry: &bulkheadv1.Record_SupervisorRestarted{
		SupervisorRestarted: &bulkheadv1.SupervisorRestarted{Kind: bulkheadv1.RestartKind_RESTART_KIND_RESTARTED}}}
}

func ended(session uint32, lastSeq uint64) *bulkheadv1.Record {
	return &bulkheadv1.Record{TimeUnixNano: 6, Entry: &bulkheadv1.Record_SessionEnded{
		SessionEnded: &bulkheadv1.SessionEnded{Session: session, Outcome: bulkheadv1.Outcome_OUTCOME_CLOSED,
			LastSeq: lastSeq}}}
}

func handlerExited(session uint32) *bulkheadv1.Record {
	return &bulkheadv1.Record{TimeUnixNano: 7, Entry: &bulkheadv1.Record_HandlerExited{
		HandlerExited: &bulkheadv1.HandlerExited{Session: session}}}
}

func runEnded(reason bulkheadv1.RunEnd) *bulkheadv1.Record {
	return &bulkheadv1.Record{TimeUnixNano: 8, Entry: &bulkheadv1.Record_RunEnded{
		RunEnded: &bulkheadv1.RunEnded{Reason: reason}}}
}

// wholeRun returns a run of two sessions, in order.
func wholeRun() []*bulkheadv1.Record {
	return []*bulkheadv1.Record{
		runStarted(),
		opened(1), attached(1, 0), batch(1, 1, 1),
		opened(2), attached(2, 0), batch(2, 1, 3), batch(1, 2, 5),
		detached(1), attachedBy(9, 1, 5), batch(1, 6, 6), ended(1, 6), handlerExited(1),
		batch(2, 4, 4), ended(2, 4),
		runEnded(bulkheadv1.RunEnd_RUN_END_DONE),
	}
}

// appendEach appends recs, each in an Append of its own.
func appendEach(t testing.TB, f *File, recs ...*bulkheadv1.Record) {
	t.Helper()
	for _, rec := range recs {
		if err := f.Append(t.Context(), rec); err != nil {
			t.Fatal(err)
		}
	}
}

// newJournal creates a journal and appends recs to it.
func newJournal(t testing.TB, o Options, recs ...*bulkheadv1.Record) (dir string, f *File) {
	t.Helper()
	dir = t.TempDir() + "/journal"
	f, err := Create(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	appendEach(t, f, recs...)
	return dir, f
}

// closeJournal closes f and fails the test when that fails.
func closeJournal(t testing.TB, f *File) {
	t.Helper()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// replayAll returns the records that Replay delivers.
func replayAll(dir string) ([]*bulkheadv1.Record, Summary, error) {
	var recs []*bulkheadv1.Record
	sum, err := Replay(dir, func(rec *bulkheadv1.Record) error {
		recs = append(recs, rec)
		return nil
	})
	return recs, sum, err
}

// mustCheck fails the test unless every invariant of the journal is kept.
func mustCheck(t testing.TB, dir string) Report {
	t.Helper()
	r, err := Check(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Err(); err != nil {
		t.Fatalf("journal.Check:\n%v", err)
	}
	return r
}
