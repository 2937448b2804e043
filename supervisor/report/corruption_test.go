package report

import (
	"fmt"
	"strings"
	"testing"
	"time"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// place is a corruption of one block in file n of a client.
func place(n int) *bulkheadv1.Corruption {
	return &bulkheadv1.Corruption{Path: fmt.Sprintf("/mnt/f%d", n), FileIndex: uint64(n), OffsetBytes: 4096, LengthBytes: 4096,
		Kind: bulkheadv1.CorruptionKind_CORRUPTION_KIND_TORN, Expected: "a", Found: "b"}
}

// corruptRun is a run of one client that closes in order after it said something.
func corruptRun(t testing.TB, say func(a *actor)) *Report {
	s := newStory(t, 1)
	a := s.arrive("a", 1, 1, 4001, 0)
	a.start()
	a.at(time.Second)
	say(a)
	a.say(a.rollover(0, 7, false))
	a.worked(1)
	a.say(a.stop(bulkheadv1.StopReason_STOP_REASON_RUNTIME, "", nil))
	a.end(bulkheadv1.Outcome_OUTCOME_CLOSED, "")
	s.ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
	return foldAll(t, s.records)
}

// However a client says that content is corrupt, the run is partial and says so first.
func TestCorruptContentMakesTheRunPartial(t *testing.T) {
	blocks := func(n uint64) func(*actor) {
		return func(a *actor) {
			m := a.progress(0, 3, 0, "")
			m.GetProgress().CorruptBlocks = n
			a.say(m)
		}
	}
	for _, test := range []struct {
		name     string
		say      func(a *actor)
		headline string
		corrupt  uint64
	}{
		{"counted and named", func(a *actor) {
			a.say(a.corruption(0, place(1)), a.corruption(1, place(1)), a.corruption(0, place(2)))
			blocks(7)(a)
		}, "8 corrupt blocks in 2 files; ", 8}, // 7 of consumer 0, and 1 that consumer 1 did not come to count
		{"counted alone", blocks(2), "2 corrupt blocks; ", 2},
		{"named alone", func(a *actor) { a.say(a.corruption(0, place(1))) }, "1 corrupt block in 1 file; ", 1},
		{"a file alone", func(a *actor) {
			m := a.rollover(0, 1, false)
			m.GetRollover().Verification = bulkheadv1.Verification_VERIFICATION_FAILED
			a.say(m)
		}, "1 file not as written; ", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := corruptRun(t, test.say)
			if r.Complete() || r.Verdict.Headline != test.headline+"1 of 1 client closed" || !strings.HasPrefix(r.Verdict.Reasons[0], "client a: "+strings.TrimSuffix(test.headline, "; ")) {
				t.Errorf("complete %t, headline %q, reasons %q", r.Complete(), r.Verdict.Headline, r.Verdict.Reasons)
			}
			if f := r.Findings[0]; f.Kind != FindingCorruption || f.Severity != SeverityError {
				t.Errorf("the first finding is %+v", f)
			}
			if r.Totals.CorruptBlocks != test.corrupt || r.Clients[0].CorruptBlocks != test.corrupt {
				t.Errorf("%d corrupt blocks in all, %d of the client; want %d", r.Totals.CorruptBlocks, r.Clients[0].CorruptBlocks, test.corrupt)
			}
			for _, a := range checkAll(t, r, "corrupt == 0") {
				if a.Holds {
					t.Errorf("%s", a)
				}
			}
		})
	}
}

// Without verification nobody knows, and with it none is none.
func TestNoCorruptionIsKnownOnlyWhenVerified(t *testing.T) {
	for verified, want := range map[uint64]bool{0: false, 4096: true} {
		r := corruptRun(t, func(a *actor) {
			m := a.progress(0, 3, 0, "")
			m.GetProgress().VerifiedBytes = verified
			a.say(m)
		})
		if got := checkAll(t, r, "corrupt == 0")[0]; got.Holds != want || !r.Complete() {
			t.Errorf("%d bytes verified: %s; complete %t", verified, got, r.Complete())
		}
	}
}

// A client that was to verify and did not makes the run partial.
func TestNothingVerifiedIsSaid(t *testing.T) {
	for _, mode := range []bulkheadv1.VerifyMode{bulkheadv1.VerifyMode_VERIFY_MODE_OFF, bulkheadv1.VerifyMode_VERIFY_MODE_END} {
		s := newStory(t, 1)
		a := s.specialist("a", 1, &bulkheadv1.Workload{Consumers: []*bulkheadv1.ConsumerSpec{{Verify: mode}}})
		a.at(time.Second).worked(0)
		a.say(a.stop(bulkheadv1.StopReason_STOP_REASON_RUNTIME, "", nil))
		a.end(bulkheadv1.Outcome_OUTCOME_CLOSED, "said goodbye")
		s.ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
		r := foldAll(t, s.records)
		want := mode == bulkheadv1.VerifyMode_VERIFY_MODE_END
		if got := strings.Contains(fmt.Sprint(r.Verdict.Reasons), "nothing that consumer 0 wrote was verified"); got != want || r.Complete() == want {
			t.Errorf("%v: %s: %q", mode, r.Verdict.Word, r.Verdict.Reasons)
		}
	}
}

// What a client lists is bounded, alone and among many, and all of it is counted; the
// first ones stay.
func TestCorruptionsAreBounded(t *testing.T) {
	const more = 50
	r := corruptRun(t, func(a *actor) {
		for n := range maxCorruptions + more {
			a.say(a.corruption(0, place(n)))
		}
	})
	c := &r.Clients[0]
	if len(c.Corruptions) != maxCorruptions || c.CorruptionsLeftOut != more || c.Corruptions[0].Path != "/mnt/f0" || c.CorruptBlocks != maxCorruptions+more {
		t.Errorf("%d listed from %s, %d left out, %d blocks", len(c.Corruptions), c.Corruptions[0].Path, c.CorruptionsLeftOut, c.CorruptBlocks)
	}
	if want := "1 050 corrupt blocks in 1 000 files or more; "; !strings.HasPrefix(r.Verdict.Headline, want) {
		t.Errorf("headline %q, want %q", r.Verdict.Headline, want)
	}
	if n := len(r.Series.Events); n != maxCorruptions {
		t.Errorf("%d events, want one for each file", n)
	}

	crowded := rooms{clients: maxRunCorruptions / 10}
	s := &sessionState{room: room{rooms: &crowded}}
	s.corruptions.limit = maxCorruptions
	for n := range 25 {
		s.corruptions.add(foundCorruption{at: Stamp(n)})
	}
	s.tighten()
	if list := s.corruptions; len(list.items) != 10 || list.leftOut != 15 || list.items[9].at != 9 {
		t.Errorf("among many: %d listed, %d left out", len(list.items), list.leftOut)
	}
}

// Places of one file are one event, from the first to the last.
func TestCorruptionEvents(t *testing.T) {
	r := corruptRun(t, func(a *actor) {
		a.say(a.corruption(0, place(1)))
		a.at(3*time.Second).say(a.corruption(0, place(1)), a.corruption(0, place(2)))
	})
	var got []Event
	for _, e := range r.Series.Events {
		if e.Kind == EventCorruption {
			got = append(got, e)
		}
	}
	if len(got) != 2 || got[0].EndAt-got[0].At != Stamp(2*time.Second) || !strings.HasSuffix(got[0].Text, "torn, and 1 more place in this file") || got[1].EndAt != 0 {
		t.Errorf("events %+v", got)
	}
}
