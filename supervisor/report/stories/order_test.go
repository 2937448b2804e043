package stories

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bulkhead/internal/testing/folded"
	"bulkhead/internal/testing/story"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/journal"
	"bulkhead/supervisor/report/fold"
)

// Records in the wrong place are an error of Add, a violation in the report, and
// make it partial; the fold continues.
func TestRecordsOutOfOrder(t *testing.T) {
	tests := []struct {
		name string
		want string
		tell func(*story.Story)
	}{
		{"nothing known", "nothing this version knows", func(s *story.Story) { s.Add(&bulkheadv1.Record{}) }},
		{"second start", "record 2: the run starts, but it is not the first",
			func(s *story.Story) { s.Records = append(s.Records, story.New(s.T, 9).Records...) }},
		{"no start", "record 1: the first record does not start the run", func(s *story.Story) {
			s.Records = nil
			s.Ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
		}},
		{"after the end", "record 3: it comes after the end", func(s *story.Story) {
			s.Ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
			s.Rejected(1, 1, "", "", "")
		}},
		{"batch of nobody", "session 5 was never opened",
			func(s *story.Story) { (&story.Actor{Story: s, Session: 5}).SayBytes(1, 1, nil) }},
		{"attached to nobody", "session 5 was never opened",
			func(s *story.Story) { (&story.Actor{Story: s, Session: 5}).Attach(1, 1) }},
		{"opened twice", "session 1 is opened again", func(s *story.Story) {
			s.Arrive("a", 1, 1, 1, 0)
			s.Arrive("b", 1, 2, 2, 0)
		}},
		{"after its end", "session 1 has already ended", func(s *story.Story) {
			a := s.Arrive("a", 1, 1, 1, 0)
			a.End(bulkheadv1.Outcome_OUTCOME_CLOSED, "")
			a.End(bulkheadv1.Outcome_OUTCOME_LOST, "")
		}},
		{"no outcome", "session 1 ends without an outcome", func(s *story.Story) {
			s.Arrive("a", 1, 1, 1, 0).End(bulkheadv1.Outcome_OUTCOME_UNSPECIFIED, "")
		}},
		{"end elsewhere", "session 1 ends at message 7, but the journal holds 0", func(s *story.Story) {
			a := s.Arrive("a", 1, 1, 1, 0)
			a.Seq = 7
			a.End(bulkheadv1.Outcome_OUTCOME_CLOSED, "")
		}},
		{"wrong detach", "detached from connection 8, which it has not",
			func(s *story.Story) { s.Arrive("a", 1, 1, 1, 0).Detach(8, "") }},
		{"detached twice", "detached from connection 1, which it has not", func(s *story.Story) {
			a := s.Arrive("a", 1, 1, 1, 0)
			a.At(time.Second).Detach(1, "")
			a.Detach(1, "")
		}},
		{"attached twice", "attached to connection 1 again, with no restart between",
			func(s *story.Story) { s.Arrive("a", 1, 1, 1, 0).Attach(1, 1) }},
		{"attached twice after a restart", "attached to connection 1 again, with no restart between",
			func(s *story.Story) {
				a := s.Arrive("a", 1, 1, 1, 0)
				s.Restarted(story.Restarted, story.TakeOver(1, 0))
				a.Attach(1, 1)
				a.Attach(1, 1)
			}},
		{"attached to what was lost", "attached again to connection 1, which it had lost", func(s *story.Story) {
			a := s.Arrive("a", 1, 1, 1, 0)
			a.At(time.Second).Detach(1, "")
			s.Restarted(story.Restarted, story.TakeOver(1, 0))
			a.Attach(1, 1)
		}},
		{"attached to one before", "attached again to connection 1, which it had lost", func(s *story.Story) {
			a := s.Arrive("a", 1, 1, 1, 0)
			a.Attach(2, 2)
			s.Restarted(story.Restarted, story.TakeOver(1, 0))
			a.Attach(1, 1)
		}},
		{"gap", "messages 1…4 are missing", func(s *story.Story) { s.Arrive("a", 1, 1, 1, 0).SayBytes(5, 5, nil) }},
		{"overlap", "messages 1…3 come again, 2 were there", func(s *story.Story) {
			a := s.Arrive("a", 1, 1, 1, 0)
			a.SayBytes(1, 2, nil)
			a.SayBytes(1, 3, nil)
		}},
		{"overlap by one", "messages 2…3 come again, 2 were there", func(s *story.Story) {
			a := s.Arrive("a", 1, 1, 1, 0)
			a.SayBytes(1, 2, nil)
			a.SayBytes(2, 3, nil)
		}},
		{"backwards", "a batch cannot hold messages 5…4",
			func(s *story.Story) { s.Arrive("a", 1, 1, 1, 0).SayBytes(5, 4, nil) }},
		{"from 0", "a batch cannot hold messages 0…4",
			func(s *story.Story) { s.Arrive("a", 1, 1, 1, 0).SayBytes(0, 4, nil) }},
		{"endless", "a batch cannot hold messages 1…18446744073709551615", func(s *story.Story) {
			s.Arrive("a", 1, 1, 1, 0).SayBytes(1, 1<<64-1, nil)
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := story.New(t, 0)
			test.tell(s)
			f := fold.NewFolder()
			var errs []error
			for _, r := range s.Records {
				errs = append(errs, f.Add(r))
			}
			if err := errors.Join(errs...); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
			r := f.Report()
			if r.Complete() || !strings.Contains(strings.Join(r.Verdict.Reasons, "\n"), test.want) {
				t.Errorf("reasons %q do not say %q", r.Verdict.Reasons, test.want)
			}
		})
	}
}

func TestEmptyJournal(t *testing.T) {
	r := fold.NewFolder().Report()
	if r.Complete() || r.Verdict.Reasons[0] != "the journal is empty" {
		t.Errorf("verdict %+v", r.Verdict)
	}
	rendered(t, r)
}

func TestFromJournalStatesDamage(t *testing.T) {
	dir := writeJournal(t, story.OneClient(t), false)
	segment := filepath.Join(dir, "00000001.seg")
	data, err := os.ReadFile(segment)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(segment, data, 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := fold.FromJournal(dir)
	if err != nil {
		t.Fatal(err)
	}
	d := r.Journal.Damage
	if r.Complete() || d == nil || d.Torn || d.Segment != "00000001.seg" || r.Journal.Records == 0 {
		t.Errorf("complete %v, damage %+v, %d records", r.Complete(), d, r.Journal.Records)
	}
}

func TestFromJournalWithoutJournal(t *testing.T) {
	if _, err := fold.FromJournal(t.TempDir()); !errors.Is(err, journal.ErrNoJournal) {
		t.Errorf("error %v, want ErrNoJournal", err)
	}
}

// A report can be taken while the journal is being written.
func TestFromJournalBesideItsWriter(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	j, err := journal.Create(dir, journal.Options{Sync: journal.SyncNone})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	}()
	records := story.Undisturbed(t)
	for _, part := range [][]*bulkheadv1.Record{records[:20], records[20:]} {
		if err := j.Append(context.Background(), part...); err != nil {
			t.Fatal(err)
		}
		if _, err := fold.FromJournal(dir); err != nil {
			t.Fatal(err)
		}
	}
	fromDisk, err := fold.FromJournal(dir)
	if err != nil {
		t.Fatal(err)
	}
	text, json := rendered(t, fromDisk)
	wantText, wantJSON := rendered(t, folded.All(t, records))
	if !bytes.Equal(text, wantText) || !bytes.Equal(json, wantJSON) {
		t.Error("the report from the journal differs from the one folded directly")
	}
}
