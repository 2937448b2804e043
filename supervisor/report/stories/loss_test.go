package stories

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bulkhead/internal/testing/folded"
	"bulkhead/internal/testing/story"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/journal"
	"bulkhead/supervisor/report/fold"
)

// A journal whose last record has a flipped bit is taken up without it. The report says
// that what was set aside may have been acknowledged, and that it was if there is proof.
func TestDamagedEndOfAJournal(t *testing.T) {
	const lost = journal.LostAcknowledged + ": messages 6 to 9"
	const aside = "the journal's end was damaged at 14:02:14.120: "
	const at = ": its damaged end was set aside at 14:02:14.120"
	for _, test := range []struct {
		name    string
		tell    func(s *story.Story, a *story.Actor)
		reasons string
	}{
		{"nobody knows", func(s *story.Story, a *story.Actor) {
			a.Attach(1, 4001)
			a.Worked(0, 1)
			story.Leave(7*time.Second, map[uint32]uint64{1: 1}, a)
		}, ""},
		{"the session proves it", func(s *story.Story, a *story.Actor) {
			a.DetachAs(bulkheadv1.DetachClass_DETACH_CLASS_SUPERVISOR, 1, lost)
			s.Records[len(s.Records)-1].GetSessionDetached().LostAcknowledged = true
			a.End(bulkheadv1.Outcome_OUTCOME_LOST, lost)
			s.HandlerExited(1, 1, 4001, time.Second, story.CleanExit(), lost)
			s.Records[len(s.Records)-1].GetHandlerExited().LostAcknowledged = true
		},
			"client a: lost: " + lost + "\n" + journal.LostAcknowledged +
				", as client a had what it was told is durable" + at},
		{"its connection proves it", func(s *story.Story, a *story.Actor) {
			a.DetachAs(bulkheadv1.DetachClass_DETACH_CLASS_SUPERVISOR, 1, lost)
			s.Records[len(s.Records)-1].GetSessionDetached().LostAcknowledged = true
			a.Attach(2, 4002)
			a.Worked(0, 1)
			story.Leave(7*time.Second, map[uint32]uint64{1: 1}, a)
		}, journal.LostAcknowledged + ", as client a had what it was told is durable" + at},
		{"handlers prove it", func(s *story.Story, a *story.Actor) {
			a.Attach(1, 4001)
			a.Worked(0, 1)
			story.Leave(7*time.Second, map[uint32]uint64{1: 1}, a)
			for pid := range int32(6) {
				s.HandlerExited(uint64(100+pid), 0, 4100+pid, time.Second, &bulkheadv1.ProcessExit{
					Class: bulkheadv1.ExitClass_EXIT_CLASS_CLEAN, Cause: lost}, "")
				s.Records[len(s.Records)-1].GetHandlerExited().LostAcknowledged = true
			}
		},
			journal.LostAcknowledged +
				", as handler 4100, handler 4101, handler 4102, 3 more had what they were told is durable" + at},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := story.New(t, 1)
			a := s.Arrive("a", 1, 1, 4001, 0)
			a.Start()
			before := len(s.Records)
			story.Work(1, 2, a)
			dir := writeJournal(t, append(s.Records[:before:before], s.Records[len(s.Records)-1]), false)
			flipLastByte(t, filepath.Join(dir, "00000001.seg"))
			r, err := fold.FromJournal(dir)
			if err != nil {
				t.Fatal(err)
			}
			if d := r.Journal.Damage; d == nil || !d.Torn || !d.MayBeAcknowledged ||
				!strings.Contains(strings.Join(r.Verdict.Reasons, "\n"),
					"the journal's end cannot be read: 00000001.seg at byte ") {
				t.Errorf("damage %+v, reasons %q", d, r.Verdict.Reasons)
			}

			j, found, err := journal.Open(dir, journal.Options{Sync: journal.SyncNone})
			if err != nil {
				t.Fatal(err)
			}
			defer j.Close()
			s.Records, a.Seq = s.Records[:before], 4
			s.At(4*time.Second).Restarted(story.Restarted, &bulkheadv1.SupervisorRestarted{Pid: 9, ExpectedClients: 1,
				TornBytes: uint64(found.Torn.Bytes), Torn: found.Torn.String(), TornDamaged: found.Torn.Damaged})
			test.tell(s, a)
			s.Ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
			if err := j.Append(t.Context(), s.Records[before:]...); err != nil {
				t.Fatal(err)
			}
			if r, err = fold.FromJournal(dir); err != nil {
				t.Fatal(err)
			}
			told, err := fold.FromJournal(writeJournal(t, s.Records, false))
			if err != nil {
				t.Fatal(err)
			}
			for _, lead := range []string{"another sentence ", journal.LostAcknowledged + " "} {
				folded.Same(t, s.Records, told, lead)
			}
			if older := folded.Once(t, older(t, s.Records)); !cmp.Equal(told, older) {
				t.Errorf("a journal of before is told otherwise (-now +before):\n%s", cmp.Diff(told, older))
			}
			if diff := cmp.Diff(test.reasons, strings.Join(r.Verdict.Reasons, "\n")); diff != "" {
				t.Errorf("reasons (-want +got):\n%s", diff)
			}
			warnings := strings.Join(r.Verdict.Warnings, "\n")
			if !strings.Contains(warnings, aside) ||
				!strings.Contains(warnings, "record checksum is wrong; "+journal.MayBeAcknowledged) ||
				strings.Contains(warnings, "never acknowledged") {
				t.Errorf("warnings %q", warnings)
			}
		})
	}
}

func flipLastByte(t *testing.T, path string) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)-1] ^= 1
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}
