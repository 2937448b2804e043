package stories

import (
	"encoding/xml"
	"fmt"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"bulkhead/internal/testing/folded"
	"bulkhead/internal/testing/story"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/journal"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/judge"
	"bulkhead/supervisor/report/render"
	"bulkhead/supervisor/report/words"
)

// Words are for people: whatever the texts of a run's records say, its verdict is the same, and
// so is every other field of the report that is no text. folded.All sees to it in other
// tests.
func TestNoVerdictHangsOnWords(t *testing.T) {
	assertions := []string{"p99 < 30ms", "throughput >= 100MB/s", "lost == 0", "errors == 0", "response_p99 < 50ms",
		"corrupt == 0"}
	for _, told := range story.Stories {
		t.Run(told.Name, func(t *testing.T) {
			records := told.Write(t)
			r := folded.All(t, records)
			for _, lead := range []string{"another sentence ", "process is gone ", journal.LostAcknowledged + " ",
				journal.MayBeAcknowledged + " ",
				"verify: ", "no space left on device ", "disk quota exceeded ", "ended ", "stopped at its first error ",
				words.LeftOut(report.BadLate) + " "} {
				folded.Same(t, records, r, lead)
			}
			others := folded.Once(t, folded.Reworded(records, "another sentence "))
			told, reworded := checkAll(t, r, assertions...), checkAll(t, others, assertions...)
			for i := range told {
				if told[i].Holds != reworded[i].Holds {
					t.Errorf("%s; reworded, %s", told[i], reworded[i])
				}
			}
			if diff := cmp.Diff(junitCases(t, r, told), junitCases(t, others, reworded)); diff != "" {
				t.Errorf("the cases of JUnit hang on words (-as told +reworded):\n%s", diff)
			}
		})
	}
}

// junitCases returns the cases of a report in the form of JUnit, with what became of each.
func junitCases(t *testing.T, r *report.Report, asserted []judge.Result) []string {
	t.Helper()
	var suites render.JunitSuites
	if err := xml.Unmarshal(written(t, func(w io.Writer) error { return render.JUnit(r, w, asserted) }),
		&suites); err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, c := range suites.Suite.Cases {
		list = append(list, fmt.Sprintf("%s failed: %v", c.Class, c.Failure != nil))
	}
	if len(list) == 0 {
		t.Fatal("there are none")
	}
	return list
}

// A journal of before there were fields for what decides is told by its words, as it was then.
func TestJournalsOfBeforeAreToldByTheirWords(t *testing.T) {
	for _, told := range story.Stories {
		t.Run(told.Name, func(t *testing.T) {
			records := told.Write(t)
			if diff := cmp.Diff(folded.All(t, records), folded.Once(t, older(t, records))); diff != "" {
				t.Errorf("it is told otherwise (-now +before):\n%s", diff)
			}
		})
	}
}

// older returns records as supervisors and clients wrote them that said by words alone that a
// process is gone, and what a journal has lost.
func older(t *testing.T, records []*bulkheadv1.Record) []*bulkheadv1.Record {
	t.Helper()
	list := make([]*bulkheadv1.Record, 0, len(records))
	for _, r := range records {
		r = proto.CloneOf(r)
		list = append(list, r)
		switch e := r.GetEntry().(type) {
		case *bulkheadv1.Record_RunStarted:
			e.RunStarted.RecordMinor = 0
		case *bulkheadv1.Record_SupervisorRestarted:
			e.SupervisorRestarted.RecordMinor, e.SupervisorRestarted.TornDamaged = 0, false
		case *bulkheadv1.Record_SessionDetached:
			e.SessionDetached.LostAcknowledged = false
		case *bulkheadv1.Record_HandlerExited:
			e.HandlerExited.LostAcknowledged = false
		case *bulkheadv1.Record_SessionOpened:
			e.SessionOpened.Hello.ProtocolMinor = 1
		case *bulkheadv1.Record_SessionBatch:
			batch := new(bulkheadv1.Batch)
			if proto.Unmarshal(e.SessionBatch.GetBatch(), batch) != nil {
				continue
			}
			for _, m := range batch.GetMessages() {
				for _, miss := range m.GetHeartbeat().GetMisses() {
					miss.Gone = false
				}
			}
			encoded, err := proto.Marshal(batch)
			if err != nil {
				t.Fatal(err)
			}
			e.SessionBatch.Batch = encoded
		}
	}
	return list
}

// Every string of a record is known to be a text for people, or none.
func TestEveryTextIsKnown(t *testing.T) {
	seen := make(map[protoreflect.FullName]bool)
	var walk func(m protoreflect.MessageDescriptor)
	walk = func(m protoreflect.MessageDescriptor) {
		if seen[m.FullName()] {
			return
		}
		seen[m.FullName()] = true
		for i := range m.Fields().Len() {
			field := m.Fields().Get(i)
			if field.Message() != nil {
				walk(field.Message())
			}
			if field.Kind() != protoreflect.StringKind {
				continue
			}
			seen[field.FullName()] = true
			if _, known := folded.IsText[field.FullName()]; !known {
				t.Errorf("%s: say in folded.IsText whether it is a text for people", field.FullName())
			}
		}
	}
	walk(new(bulkheadv1.Record).ProtoReflect().Descriptor())
	walk(new(bulkheadv1.Batch).ProtoReflect().Descriptor())
	for field := range folded.IsText {
		if !seen[field] {
			t.Errorf("%s: no field of a record", field)
		}
	}
}
