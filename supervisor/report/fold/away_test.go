package fold

import (
	"testing"
	"time"

	"bulkhead/internal/testing/story"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
)

func TestJudge(t *testing.T) {
	const (
		none    = bulkheadv1.DetachClass_DETACH_CLASS_UNSPECIFIED
		nothing = bulkheadv1.Absence_ABSENCE_UNSPECIFIED
	)
	tests := []struct {
		name string
		a    absence
		want string
	}{
		{"handler died", absence{class: story.ByHandler, returned: true, said: story.SentAway}, report.AwayHandler},
		{"handler died, client thinks network", absence{class: story.ByHandler, returned: true, said: story.Network},
			report.AwayHandler},
		{"handler died, never back", absence{class: story.ByHandler, lost: true}, report.AwayHandler},
		{"supervisor", absence{class: story.BySupervisor, returned: true, said: story.Network}, report.AwaySupervisor},
		{"supervisor, never back", absence{class: story.BySupervisor, lost: true}, report.AwaySupervisor},
		{"breach", absence{class: story.ByBreach, returned: true, said: story.SentAway}, report.AwayBreach},

		{"silent, starved", absence{class: story.Silent, returned: true, said: story.Starved}, report.AwayStarved},
		{"silent, network", absence{class: story.Silent, returned: true, said: story.Network}, report.AwayNetwork},
		{"silent, but it heard us", absence{class: story.Silent, returned: true, said: story.SentAway},
			report.AwayNetwork},
		{"silent, says nothing", absence{class: story.Silent, returned: true, said: nothing}, report.AwayUnknown},
		{"silent, lost", absence{class: story.Silent, lost: true}, report.AwayUnknown},
		{"silent, may come back", absence{class: story.Silent}, report.AwayUnknown},

		{"closed, starved", absence{class: story.ClosedByClient, returned: true, said: story.Starved},
			report.AwayStarved},
		{"closed, network", absence{class: story.ClosedByClient, returned: true, said: story.Network},
			report.AwayNetwork},
		{"closed, sent away", absence{class: story.ClosedByClient, returned: true, said: story.SentAway},
			report.AwaySupervisor},
		{"closed, says nothing", absence{class: story.ClosedByClient, returned: true, said: nothing},
			report.AwayUnknown},
		{"closed, lost", absence{class: story.ClosedByClient, lost: true}, report.AwayDied},
		{"closed, may come back", absence{class: story.ClosedByClient}, report.AwayUnknown},

		{"replaced, starved", absence{class: story.Replaced, returned: true, said: story.Starved}, report.AwayStarved},
		{"replaced, network", absence{class: story.Replaced, returned: true, said: story.Network}, report.AwayNetwork},
		{"replaced, says nothing", absence{class: story.Replaced, returned: true, said: nothing}, report.AwayUnknown},

		{"replaced, handler hung, network",
			absence{class: story.Replaced, handlerEnd: report.ExitHang, returned: true, said: story.Network},
			report.AwayHandler},
		{"replaced, handler hung, starved",
			absence{class: story.Replaced, handlerEnd: report.ExitHang, returned: true, said: story.Starved},
			report.AwayHandler},
		{"replaced, handler crashed", absence{class: story.Replaced, handlerEnd: report.ExitCrash, returned: true,
			said: story.Network}, report.AwayHandler},
		{"replaced, handler out of memory",
			absence{class: story.Replaced, handlerEnd: report.ExitOOM, returned: true, said: story.Network},
			report.AwayHandler},
		{"replaced, handler in its sandbox",
			absence{class: story.Replaced, handlerEnd: report.ExitSandbox, returned: true, said: story.Network},
			report.AwayHandler},
		{"replaced, handler lied", absence{class: story.Replaced, handlerEnd: report.ExitProtocol, returned: true,
			said: story.Network}, report.AwayHandler},
		{"replaced, handler clean", absence{class: story.Replaced, handlerEnd: report.ExitClean, returned: true,
			said: story.Network}, report.AwayNetwork},
		{"replaced, handler killed at the end",
			absence{class: story.Replaced, handlerEnd: report.ExitKilled, returned: true, said: story.Network},
			report.AwayNetwork},
		{"replaced, handler orphaned",
			absence{class: story.Replaced, handlerEnd: report.ExitOrphaned, returned: true, said: story.Network},
			report.AwayNetwork},
		{"not classed, handler hung", absence{class: none, handlerEnd: report.ExitHang, returned: true,
			said: story.Network}, report.AwayHandler},
		{"silent, handler hung", absence{class: story.Silent, handlerEnd: report.ExitHang, returned: true,
			said: story.Network}, report.AwayNetwork},
		{"closed, handler crashed", absence{class: story.ClosedByClient, handlerEnd: report.ExitCrash, lost: true},
			report.AwayDied},
		{"supervisor, handler crashed", absence{class: story.BySupervisor, handlerEnd: report.ExitCrash, lost: true},
			report.AwaySupervisor},

		{"not classed, starved", absence{class: none, returned: true, said: story.Starved}, report.AwayStarved},
		{"not classed, network", absence{class: none, returned: true, said: story.Network}, report.AwayNetwork},
		{"not classed, sent away", absence{class: none, returned: true, said: story.SentAway}, report.AwaySupervisor},
		{"not classed, lost", absence{class: none, lost: true}, report.AwayUnknown},
		{"a class of tomorrow", absence{class: 99, returned: true, said: 99}, report.AwayUnknown},
	}
	for _, test := range tests {
		if got := whyAway(test.a); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

// A lost client's reason says what is known of why it never came back.
func TestLostSaysWhy(t *testing.T) {
	for class, want := range map[bulkheadv1.DetachClass]string{
		story.ClosedByClient: "client a: lost: gone for 30s; its machine closed the connection, so the client " +
			"probably died",
		story.Silent: "client a: lost: gone for 30s; nothing more was heard from it: its network, its " +
			"machine or the client itself",
		story.ByHandler:    "client a: lost: gone for 30s; its handler had ended",
		story.BySupervisor: "client a: lost: gone for 30s; the supervisor had ended its connection",
		0:                  "client a: lost: gone for 30s",
	} {
		s := story.New(t, 1)
		a := s.Arrive("a", 1, 1, 4001, 0)
		a.Start()
		a.At(time.Second).DetachAs(class, 1, "cut")
		a.At(31*time.Second).End(bulkheadv1.Outcome_OUTCOME_LOST, "gone for 30s")
		r := folded(t, s.Records)
		if got := r.Verdict.Reasons[len(r.Verdict.Reasons)-1]; got != want {
			t.Errorf("%v: reason %q, want %q", class, got, want)
		}
		if c := r.Clients[0].Connections[0]; c.AwayNano != int64(30*time.Second) ||
			c.DetachClass != detachClass(class) {
			t.Errorf("%v: away for %v, class %q", class, time.Duration(c.AwayNano), c.DetachClass)
		}
	}
	// One that was still connected when the run was over says nothing of the kind.
	s := story.New(t, 1)
	s.Arrive("a", 1, 1, 4001, 0).End(bulkheadv1.Outcome_OUTCOME_LOST, "still open at the deadline")
	if got := folded(t, s.Records).Verdict.Reasons[1]; got != "client a: lost: still open at the deadline" {
		t.Errorf("reason %q", got)
	}
}
