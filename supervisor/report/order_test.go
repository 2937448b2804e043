package report

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/journal"
)

// Records in the wrong place are an error of Add, a violation in the report, and
// make it partial; the fold goes on.
func TestRecordsOutOfOrder(t *testing.T) {
	tests := []struct {
		name string
		want string
		tell func(*story)
	}{
		{"nothing known", "nothing this version knows", func(s *story) { s.add(&bulkheadv1.Record{}) }},
		{"second start", "record 2: the run starts, but it is not the first", func(s *story) { s.records = append(s.records, newStory(s.t, 9).records...) }},
		{"no start", "record 1: the first record does not start the run", func(s *story) {
			s.records = nil
			s.ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
		}},
		{"after the end", "record 3: it comes after the end", func(s *story) {
			s.ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
			s.rejected(1, 1, "", "", "")
		}},
		{"batch of nobody", "session 5 was never opened", func(s *story) { (&actor{story: s, session: 5}).sayBytes(1, 1, nil) }},
		{"attached to nobody", "session 5 was never opened", func(s *story) { (&actor{story: s, session: 5}).attach(1, 1) }},
		{"opened twice", "session 1 is opened again", func(s *story) {
			s.arrive("a", 1, 1, 1, 0)
			s.arrive("b", 1, 2, 2, 0)
		}},
		{"after its end", "session 1 has already ended", func(s *story) {
			a := s.arrive("a", 1, 1, 1, 0)
			a.end(bulkheadv1.Outcome_OUTCOME_CLOSED, "")
			a.end(bulkheadv1.Outcome_OUTCOME_LOST, "")
		}},
		{"no outcome", "session 1 ends without an outcome", func(s *story) {
			s.arrive("a", 1, 1, 1, 0).end(bulkheadv1.Outcome_OUTCOME_UNSPECIFIED, "")
		}},
		{"end elsewhere", "session 1 ends at message 7, but the journal holds 0", func(s *story) {
			a := s.arrive("a", 1, 1, 1, 0)
			a.seq = 7
			a.end(bulkheadv1.Outcome_OUTCOME_CLOSED, "")
		}},
		{"wrong detach", "detached from connection 8, which it has not", func(s *story) { s.arrive("a", 1, 1, 1, 0).detach(8, "") }},
		{"detached twice", "detached from connection 1, which it has not", func(s *story) {
			a := s.arrive("a", 1, 1, 1, 0)
			a.at(time.Second).detach(1, "")
			a.detach(1, "")
		}},
		{"attached twice", "attached to connection 1 again, with no restart between", func(s *story) { s.arrive("a", 1, 1, 1, 0).attach(1, 1) }},
		{"attached twice after a restart", "attached to connection 1 again, with no restart between", func(s *story) {
			a := s.arrive("a", 1, 1, 1, 0)
			s.restarted(restarted, takeOver(1, 0))
			a.attach(1, 1)
			a.attach(1, 1)
		}},
		{"attached to what was lost", "attached again to connection 1, which it had lost", func(s *story) {
			a := s.arrive("a", 1, 1, 1, 0)
			a.at(time.Second).detach(1, "")
			s.restarted(restarted, takeOver(1, 0))
			a.attach(1, 1)
		}},
		{"attached to one before", "attached again to connection 1, which it had lost", func(s *story) {
			a := s.arrive("a", 1, 1, 1, 0)
			a.attach(2, 2)
			s.restarted(restarted, takeOver(1, 0))
			a.attach(1, 1)
		}},
		{"gap", "messages 1…4 are missing", func(s *story) { s.arrive("a", 1, 1, 1, 0).sayBytes(5, 5, nil) }},
		{"overlap", "messages 1…3 come again, 2 were there", func(s *story) {
			a := s.arrive("a", 1, 1, 1, 0)
			a.sayBytes(1, 2, nil)
			a.sayBytes(1, 3, nil)
		}},
		{"overlap by one", "messages 2…3 come again, 2 were there", func(s *story) {
			a := s.arrive("a", 1, 1, 1, 0)
			a.sayBytes(1, 2, nil)
			a.sayBytes(2, 3, nil)
		}},
		{"backwards", "a batch cannot hold messages 5…4", func(s *story) { s.arrive("a", 1, 1, 1, 0).sayBytes(5, 4, nil) }},
		{"from 0", "a batch cannot hold messages 0…4", func(s *story) { s.arrive("a", 1, 1, 1, 0).sayBytes(0, 4, nil) }},
		{"endless", "a batch cannot hold messages 1…18446744073709551615", func(s *story) {
			s.arrive("a", 1, 1, 1, 0).sayBytes(1, 1<<64-1, nil)
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newStory(t, 0)
			test.tell(s)
			f := NewFolder()
			var errs []error
			for _, r := range s.records {
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
	r := NewFolder().Report()
	if r.Complete() || r.Verdict.Reasons[0] != "the journal is empty" {
		t.Errorf("verdict %+v", r.Verdict)
	}
	render(t, r)
}

func TestFromJournalStatesDamage(t *testing.T) {
	dir := writeJournal(t, oneClient(t), false)
	segment := filepath.Join(dir, "00000001.seg")
	data, err := os.ReadFile(segment)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(segment, data, 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := FromJournal(dir)
	if err != nil {
		t.Fatal(err)
	}
	d := r.Journal.Damage
	if r.Complete() || d == nil || d.Torn || d.Segment != "00000001.seg" || r.Journal.Records == 0 {
		t.Errorf("complete %v, damage %+v, %d records", r.Complete(), d, r.Journal.Records)
	}
}

func TestFromJournalWithoutJournal(t *testing.T) {
	if _, err := FromJournal(t.TempDir()); !errors.Is(err, journal.ErrNoJournal) {
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
	records := undisturbed(t)
	for _, part := range [][]*bulkheadv1.Record{records[:20], records[20:]} {
		if err := j.Append(context.Background(), part...); err != nil {
			t.Fatal(err)
		}
		if _, err := FromJournal(dir); err != nil {
			t.Fatal(err)
		}
	}
	fromDisk, err := FromJournal(dir)
	if err != nil {
		t.Fatal(err)
	}
	text, json := render(t, fromDisk)
	wantText, wantJSON := render(t, foldAll(t, records))
	if !bytes.Equal(text, wantText) || !bytes.Equal(json, wantJSON) {
		t.Error("the report from the journal differs from the one folded directly")
	}
}
