package stories

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"bulkhead/internal/human"
	"bulkhead/internal/testing/folded"
	"bulkhead/internal/testing/story"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
)

// An interval is told in a word: its chunks, errors and finished files, as c, e and f.
func TestConsumersThatFailToTheEnd(t *testing.T) {
	tests := []struct {
		intervals string
		since     int // interval after which it failed; -1 if it did not
		until     int
	}{
		{"c c cf", -1, 0},
		{"c ce c", -1, 0},                   // recovered
		{"c e e e c", -1, 0},                // recovered
		{"c e e - cf - -", -1, 0},           // recovered, and then idle
		{"cf cfe cfe cfe", -1, 0},           // errors now and then, files all the same
		{"cf c e", -1, 0},                   // of the last moment
		{"cf c ce", -1, 0},                  // of the last moment
		{"cf cfe e", -1, 0},                 // once more
		{"cf cfe e e", 2, 4},                // the path vanished
		{"cf cfe e - - e - - - e -", 2, 10}, // retries more and more rarely
		{"c ce e", 1, 3},                    // no file was finished since
		{"c ce ce ce", 1, 4},                // a full disk takes some of each file
		{"e c e e", 2, 4},                   // recovered, and failed again
		{"e", 0, 1},                         // never wrote
		{"- - e -", 0, 3},                   // never wrote
		{"ef", 0, 1},
		{"f c", -1, 0},
		{"- -", -1, 0},
	}
	for _, test := range tests {
		t.Run(test.intervals, func(t *testing.T) {
			s := story.New(t, 1)
			a := s.Arrive("a", 1, 1, 4001, 0)
			a.Start()
			begin := a.Clock()
			for i, word := range strings.Fields(test.intervals) {
				a.At(time.Duration(i+1) * time.Second)
				if strings.Contains(word, "f") {
					a.Say(a.Rollover(0, uint64(i), false))
				}
				var chunks, errors uint64
				if strings.Contains(word, "c") {
					chunks = 10
				}
				if strings.Contains(word, "e") {
					errors = 1
				}
				a.Say(a.Progress(0, chunks, errors, strings.Repeat("no space left on device", int(errors))),
					a.Progress(1, 5, 0, ""))
			}
			a.Say(a.Stop(bulkheadv1.StopReason_STOP_REASON_RUNTIME, "", nil))
			a.End(bulkheadv1.Outcome_OUTCOME_CLOSED, "")
			s.Ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
			r := folded.All(t, s.Records)
			var since report.Stamp
			var nano int64
			reason := ""
			if test.since >= 0 {
				since = report.Stamp(begin + int64(test.since)*int64(time.Second))
				nano = int64(test.until-test.since) * int64(time.Second)
				reason = fmt.Sprintf(
					"client a: consumer 0 (pid 5120) failed to the end, for %s: no space left on device",
					human.Duration(nano))
			}
			p, other := &r.Clients[0].Processes[1], &r.Clients[0].Processes[2]
			if p.FailingSince != since || p.FailingNano != nano || other.FailingSince != 0 {
				t.Errorf("failing since %d for %d, the other since %d; want %d for %d", p.FailingSince, p.FailingNano,
					other.FailingSince, since, nano)
			}
			others := func(r string) bool { return !strings.Contains(r, "failed to the end") }
			if got := strings.Join(slices.DeleteFunc(r.Verdict.Reasons, others), "\n"); got != reason {
				t.Errorf("reasons %q, want %q", got, reason)
			}
		})
	}
}
