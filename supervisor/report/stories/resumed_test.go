package stories

import (
	"strings"
	"testing"
	"time"

	"bulkhead/internal/testing/folded"
	"bulkhead/internal/testing/story"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/journal"
	"bulkhead/supervisor/report/fold"
)

// A journal with a torn end that another supervisor resumed and finished gives a
// complete report, which warns of the restart and of what was set aside.
func TestResumedJournal(t *testing.T) {
	s := story.New(t, 1)
	a := s.Arrive("a", 1, 1, 4001, 0)
	a.Start()
	story.Work(1, 2, a)
	dir := writeJournal(t, s.Records, true)
	before := len(s.Records)

	j, found, err := journal.Open(dir, journal.Options{Sync: journal.SyncNone})
	if err != nil {
		t.Fatal(err)
	}
	s.At(4*time.Second).Restarted(story.Restarted,
		&bulkheadv1.SupervisorRestarted{Pid: 9, ExpectedClients: 1, HandlersKept: 1,
			TornBytes: uint64(found.Torn.Bytes), Torn: found.Torn.Why})
	a.Attach(1, 4001)
	story.Work(5, 6, a)
	story.Leave(7*time.Second, map[uint32]uint64{1: 1}, a)
	s.Ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
	if err := j.Append(t.Context(), s.Records[before:]...); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}

	checked, err := journal.Check(dir)
	if err != nil || checked.Err() != nil {
		t.Errorf("journal.Check: %v, %v", err, checked.Err())
	}
	r, err := fold.FromJournal(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !r.Complete() || r.Journal.Damage != nil || r.Totals.Messages != a.Seq || r.Clients[0].KeptThroughRestarts != 1 {
		t.Errorf("reasons %q, damage %v, %d of %d messages", r.Verdict.Reasons, r.Journal.Damage, r.Totals.Messages,
			a.Seq)
	}
	want := "the supervisor was killed and restarted at 14:02:14.120; 1 of 1 handler was adopted\n" +
		"the journal ended in the middle of a record at 14:02:14.120: 11 bytes set aside, never acknowledged: record " +
		"cut short: 3 of 64 bytes"
	if got := strings.Join(r.Verdict.Warnings, "\n"); got != want {
		t.Errorf("warnings %q, want %q", got, want)
	}
}

// The bytes of a client that was delivered later are in the totals, but not in their
// rate: they were written at another time.
func TestResentClients(t *testing.T) {
	s := story.New(t, 2)
	live := s.Arrive("live", 1, 1, 4001, 0)
	live.Start()
	late := s.Arrive("late", 2, 2, 4002, -time.Hour)
	s.Records[len(s.Records)-2].GetSessionOpened().GetHello().Resent = true
	late.Start()
	for n := range 3 {
		live.At(time.Duration(n+2) * time.Second).Say(live.Progress(0, 10, 0, ""))
		late.Say(late.Progress(0, 1000, 0, ""))
	}
	r := folded.All(t, s.Records)
	one, other := r.Clients[0], r.Clients[1]
	if one.Resent || !other.Resent {
		t.Errorf("resent: %v and %v", one.Resent, other.Resent)
	}
	if r.Totals.Bytes != one.Bytes+other.Bytes || r.Totals.BytesPerSecond != one.BytesPerSecond ||
		r.Totals.WritingNano != one.WritingNano {
		t.Errorf("totals: %d bytes at %d bytes a second over %d ns; the live client alone: %d at %d over %d",
			r.Totals.Bytes,
			r.Totals.BytesPerSecond, r.Totals.WritingNano, one.Bytes, one.BytesPerSecond, one.WritingNano)
	}
	want := "client late: did not connect itself; its messages were delivered later by resend"
	if !strings.Contains(strings.Join(r.Verdict.Warnings, "\n"), want) {
		t.Errorf("warnings %q", r.Verdict.Warnings)
	}
}
