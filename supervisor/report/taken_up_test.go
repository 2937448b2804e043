package report

import (
	"strings"
	"testing"
	"time"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/journal"
)

// A journal with a torn end that another supervisor took up and finished gives a
// complete report, which warns of the restart and of what was set aside.
func TestTakenUpJournal(t *testing.T) {
	s := newStory(t, 1)
	a := s.arrive("a", 1, 1, 4001, 0)
	a.start()
	work(1, 2, a)
	dir := writeJournal(t, s.records, true)
	before := len(s.records)

	j, found, err := journal.Open(dir, journal.Options{Sync: journal.SyncNone})
	if err != nil {
		t.Fatal(err)
	}
	s.at(4*time.Second).restarted(restarted, &bulkheadv1.SupervisorRestarted{Pid: 9, ExpectedClients: 1, HandlersKept: 1,
		TornBytes: uint64(found.Torn.Bytes), Torn: found.Torn.Why})
	a.attach(1, 4001)
	work(5, 6, a)
	leave(7*time.Second, map[uint32]uint64{1: 1}, a)
	s.ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
	if err := j.Append(t.Context(), s.records[before:]...); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}

	checked, err := journal.Check(dir)
	if err != nil || checked.Err() != nil {
		t.Errorf("journal.Check: %v, %v", err, checked.Err())
	}
	r, err := FromJournal(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !r.Complete() || r.Journal.Damage != nil || r.Totals.Messages != a.seq || r.Clients[0].KeptThroughRestarts != 1 {
		t.Errorf("reasons %q, damage %v, %d of %d messages", r.Verdict.Reasons, r.Journal.Damage, r.Totals.Messages, a.seq)
	}
	want := "the supervisor was killed and restarted at 14:02:14.120; 1 of 1 handler was taken up again\n" +
		"the journal ended in the middle of a record at 14:02:14.120: 11 bytes set aside, never acknowledged: record cut short: 3 of 64 bytes"
	if got := strings.Join(r.Verdict.Warnings, "\n"); got != want {
		t.Errorf("warnings %q, want %q", got, want)
	}
}

// The bytes of a client that was delivered later are in the totals, but not in their
// rate: they were written at another time.
func TestResentClients(t *testing.T) {
	s := newStory(t, 2)
	live := s.arrive("live", 1, 1, 4001, 0)
	live.start()
	late := s.arrive("late", 2, 2, 4002, -time.Hour)
	s.records[len(s.records)-2].GetSessionOpened().GetHello().Resent = true
	late.start()
	for n := range 3 {
		live.at(time.Duration(n+2) * time.Second).say(live.progress(0, 10, 0, ""))
		late.say(late.progress(0, 1000, 0, ""))
	}
	r := foldAll(t, s.records)
	one, other := r.Clients[0], r.Clients[1]
	if one.Resent || !other.Resent {
		t.Errorf("resent: %v and %v", one.Resent, other.Resent)
	}
	if r.Totals.Bytes != one.Bytes+other.Bytes || r.Totals.BytesPerSecond != one.BytesPerSecond || r.Totals.WritingNano != one.WritingNano {
		t.Errorf("totals: %d bytes at %d bytes a second over %d ns; the live client alone: %d at %d over %d", r.Totals.Bytes,
			r.Totals.BytesPerSecond, r.Totals.WritingNano, one.Bytes, one.BytesPerSecond, one.WritingNano)
	}
	want := "client late: was not there itself; its messages were delivered later by resend"
	if !strings.Contains(strings.Join(r.Verdict.Warnings, "\n"), want) {
		t.Errorf("warnings %q", r.Verdict.Warnings)
	}
}
