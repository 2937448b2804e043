package stories

import (
	"bulkhead/internal/protocol"
	"bulkhead/internal/testing/folded"
	"bulkhead/internal/testing/story"
	"slices"
	"strings"
	"testing"
	"time"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report/fold"
)

// A session that has the rest of a lost one is no further client, and both say so.
func TestTheRestOfALostSession(t *testing.T) {
	const lostText = "client a: lost: gone for 30s"
	for _, test := range []struct {
		name    string
		skipped uint64
		ended   bool
		want    string
		about   string
	}{
		{"all of it", 0, true, "; its rest was delivered later by resend, as a#3 resent",
			"it continues where session 1 ends"},
		{"a part", 0, false, "; a part of its rest was delivered later by resend, as a#3 resent",
			"it continues where session 1 ends"},
		{"behind a hole", 2, true,
			"; more of it was delivered later by resend, as a#3 resent, but messages up to 6 are missing between",
			"messages are missing between session 1 and this one"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := story.New(t, 3)
			a := s.Arrive("a", 1, 1, 4001, 0)
			a.Start()
			a.At(time.Second).End(bulkheadv1.Outcome_OUTCOME_LOST, "gone for 30s")
			b := s.Arrive("b", 2, 2, 4002, 0)
			b.Start()
			b.End(bulkheadv1.Outcome_OUTCOME_CLOSED, "said goodbye")
			rest := s.At(40*time.Second).Resend(a, 3, a.Seq+test.skipped)
			rest.Start()
			if test.ended {
				rest.Say(rest.Stop(bulkheadv1.StopReason_STOP_REASON_INTERRUPTED, "", nil))
				rest.End(bulkheadv1.Outcome_OUTCOME_CLOSED, "said goodbye")
			} else {
				rest.End(bulkheadv1.Outcome_OUTCOME_LOST, "gone for 30s")
			}
			s.Ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
			r := folded.All(t, s.Records)
			text, _ := rendered(t, r)
			if !slices.Contains(r.Verdict.Reasons, lostText+test.want) || r.Complete() {
				t.Errorf("reasons %q; want %q", r.Verdict.Reasons, lostText+test.want)
			}
			if r.Run.JoinedClients != 2 || !slices.Contains(r.Verdict.Reasons, "expected 3 clients, 2 came") {
				t.Errorf("%d clients joined; want 2: %q", r.Run.JoinedClients, r.Verdict.Reasons)
			}
			if c := r.Clients[2]; c.Label != "a#3 resent" || c.Continues != 1 ||
				c.ContinuesGapless != (test.skipped == 0) || r.Clients[0].Label != "a" || r.Clients[0].Continues != 0 {
				t.Errorf("%q continues %d, %v; the lost one is %q", c.Label, c.Continues, c.ContinuesGapless,
					r.Clients[0].Label)
			}
			for _, want := range []string{test.about, "  rest         " + test.want[2:15],
				"client a#3 resent: is the rest of session 1, delivered later by resend"} {
				if !strings.Contains(strings.Join(strings.Fields(string(text)), " "),
					strings.Join(strings.Fields(want), " ")) {
					t.Errorf("no %q in\n%s", want, text)
				}
			}
		})
	}
}

// The rest may be lost as well, and have a rest.
func TestTheRestOfTheRest(t *testing.T) {
	s := story.New(t, 1)
	a := s.Arrive("a", 1, 1, 4001, 0)
	a.Start()
	a.End(bulkheadv1.Outcome_OUTCOME_LOST, "gone")
	second := s.Resend(a, 2, a.Seq)
	second.Start()
	second.End(bulkheadv1.Outcome_OUTCOME_LOST, "gone")
	third := s.Resend(second, 3, second.Seq)
	third.Start()
	r := folded.All(t, s.Records)
	if got := []uint32{r.Clients[0].Continues, r.Clients[1].Continues, r.Clients[2].Continues}; !slices.Equal(got,
		[]uint32{0, 1, 2}) || !r.Clients[2].ContinuesGapless {
		t.Errorf("they continue %v", got)
	}
}

// A client of the same name, or one whose messages another run has, is no rest.
func TestWhatIsNoRest(t *testing.T) {
	s := story.New(t, 2)
	a := s.Arrive("a", 1, 1, 4001, 0)
	a.Start()
	a.End(bulkheadv1.Outcome_OUTCOME_LOST, "gone")
	s.Arrive("a", 2, 2, 4002, 0) // another process
	late := s.Resend(a, 3, a.Seq)
	s.Hello(3).Resent = false // an id alone is no proof
	s.Hello(3).Pid++
	late.Start()
	later := s.Arrive("later", 4, 4, 4004, 0)
	s.Hello(4).Resent = true
	later.Start()
	r := folded.All(t, s.Records)
	for i, label := range []string{"a#1", "a#2", "a#3", "later"} {
		if c := r.Clients[i]; c.Label != label || c.Continues != 0 {
			t.Errorf("%q continues %d; want %q and none", c.Label, c.Continues, label)
		}
	}
	if r.Run.JoinedClients != 2 { // a name counts once
		t.Errorf("%d clients; want 2", r.Run.JoinedClients)
	}
}

// Of a client whose messages were delivered to another run than its own, that run says
// what is missing, and counts the client once if anything was delivered.
func TestResentToAnotherRun(t *testing.T) {
	for _, test := range []struct {
		name     string
		clients  uint32
		tell     func(s *story.Story, own *story.Actor)
		joined   uint32
		reasons  string
		warnings string
	}{
		{"all of it", 1, func(s *story.Story, own *story.Actor) {
			own.Start()
			own.Say(own.Stop(bulkheadv1.StopReason_STOP_REASON_RUNTIME, "", nil))
			own.End(bulkheadv1.Outcome_OUTCOME_CLOSED, "said goodbye")
		}, 1, "", "client a: did not connect itself; its messages were delivered later by resend"},
		{"all but its end", 1, func(s *story.Story, own *story.Actor) {
			own.Start()
			own.End(bulkheadv1.Outcome_OUTCOME_CLOSED, "said goodbye")
		}, 1, "client a: the last of its messages are missing: what was delivered by resend has no Stop message",
			"client a: did not connect itself; its messages were delivered later by resend"},
		{"what an earlier run has not", 1, func(s *story.Story, own *story.Actor) {
			rest := s.Resend(own, 2, 127)
			rest.Start()
			rest.Say(rest.Stop(bulkheadv1.StopReason_STOP_REASON_RUNTIME, "", nil))
			rest.End(bulkheadv1.Outcome_OUTCOME_CLOSED, "said goodbye")
			own.End(bulkheadv1.Outcome_OUTCOME_CLOSED, "said goodbye")
		}, 1, "client a: messages 1 to 127 of it are not in this run; what follows was delivered later by resend, as " +
			"a#2 resent",
			"client a#2 resent: is the rest of session 1, delivered later by resend"},
		{"all but the first", 1, func(s *story.Story, own *story.Actor) {
			rest := s.Resend(own, 2, 1)
			rest.Start()
			rest.Say(rest.Stop(bulkheadv1.StopReason_STOP_REASON_RUNTIME, "", nil))
			rest.End(bulkheadv1.Outcome_OUTCOME_CLOSED, "said goodbye")
			own.End(bulkheadv1.Outcome_OUTCOME_CLOSED, "said goodbye")
		}, 1, "client a: message 1 of it is not in this run; what follows was delivered later by resend, as a#2 resent",
			"client a#2 resent: is the rest of session 1, delivered later by resend"},
		{"journaled the other way around", 1, func(s *story.Story, own *story.Actor) {
			opened := s.Records[1:]
			s.Records = s.Records[:1:1]
			rest := s.Arrive("a", 2, 102, 4102, 0)
			id := protocol.RestID(opened[0].GetSessionOpened().GetHello().GetClientId(),
				s.Records[0].GetRunStarted().GetRunId(), 127)
			hello := s.Hello(2)
			hello.ClientId, hello.Pid, hello.Resent = id[:], opened[0].GetSessionOpened().GetHello().GetPid(), true
			s.Records = append(s.Records, opened...)
			rest.Start()
			rest.Say(rest.Stop(bulkheadv1.StopReason_STOP_REASON_RUNTIME, "", nil))
			rest.End(bulkheadv1.Outcome_OUTCOME_CLOSED, "said goodbye")
			own.End(bulkheadv1.Outcome_OUTCOME_CLOSED, "said goodbye")
		}, 1, "client a: messages 1 to 127 of it are not in this run; what follows was delivered later by resend, as " +
			"a#2 resent",
			"client a#2 resent: is the rest of session 1, delivered later by resend"},
		{"nobody can tell what", 1, func(s *story.Story, own *story.Actor) {
			rest := s.Resend(own, 2, fold.MaxMissing+1)
			rest.Start()
			rest.Say(rest.Stop(bulkheadv1.StopReason_STOP_REASON_RUNTIME, "", nil))
			rest.End(bulkheadv1.Outcome_OUTCOME_CLOSED, "said goodbye")
			own.End(bulkheadv1.Outcome_OUTCOME_CLOSED, "said goodbye")
		}, 1, "client a: messages from 1 on of it are not in this run; what follows was delivered later by resend, " +
			"as a#2 resent",
			"client a#2 resent: is the rest of session 1, delivered later by resend"},
		{"nothing", 1, func(s *story.Story,
			own *story.Actor) {
			own.End(bulkheadv1.Outcome_OUTCOME_CLOSED, "said goodbye")
		}, 0,
			"expected 1 client, 0 came\nclient a: none of its messages was delivered by resend", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := story.New(t, test.clients)
			own := s.Arrive("a", 1, 1, 4001, 0)
			s.Hello(1).Resent = true
			test.tell(s, own)
			s.Ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
			r := folded.All(t, s.Records)
			if got := strings.Join(r.Verdict.Reasons, "\n"); got != test.reasons || r.Run.JoinedClients != test.joined {
				t.Errorf("%d joined, reasons %q; want %d, %q", r.Run.JoinedClients, got, test.joined, test.reasons)
			}
			if got := strings.Join(r.Verdict.Warnings, "\n"); got != test.warnings {
				t.Errorf("warnings %q, want %q", got, test.warnings)
			}
		})
	}
}
