package report

import (
	"strings"
	"testing"
	"time"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
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
		{"handler died", absence{class: byHandler, returned: true, said: sentAway}, AwayHandler},
		{"handler died, client thinks network", absence{class: byHandler, returned: true, said: network}, AwayHandler},
		{"handler died, never back", absence{class: byHandler, lost: true}, AwayHandler},
		{"supervisor", absence{class: bySupervisor, returned: true, said: network}, AwaySupervisor},
		{"supervisor, never back", absence{class: bySupervisor, lost: true}, AwaySupervisor},
		{"breach", absence{class: byBreach, returned: true, said: sentAway}, AwayBreach},

		{"silent, starved", absence{class: silent, returned: true, said: starved}, AwayStarved},
		{"silent, network", absence{class: silent, returned: true, said: network}, AwayNetwork},
		{"silent, but it heard us", absence{class: silent, returned: true, said: sentAway}, AwayNetwork},
		{"silent, says nothing", absence{class: silent, returned: true, said: nothing}, AwayUnknown},
		{"silent, lost", absence{class: silent, lost: true}, AwayUnknown},
		{"silent, may come back", absence{class: silent}, AwayUnknown},

		{"closed, starved", absence{class: closedByClient, returned: true, said: starved}, AwayStarved},
		{"closed, network", absence{class: closedByClient, returned: true, said: network}, AwayNetwork},
		{"closed, sent away", absence{class: closedByClient, returned: true, said: sentAway}, AwaySupervisor},
		{"closed, says nothing", absence{class: closedByClient, returned: true, said: nothing}, AwayUnknown},
		{"closed, lost", absence{class: closedByClient, lost: true}, AwayDied},
		{"closed, may come back", absence{class: closedByClient}, AwayUnknown},

		{"replaced, starved", absence{class: replaced, returned: true, said: starved}, AwayStarved},
		{"replaced, network", absence{class: replaced, returned: true, said: network}, AwayNetwork},
		{"replaced, says nothing", absence{class: replaced, returned: true, said: nothing}, AwayUnknown},

		{"replaced, handler hung, network", absence{class: replaced, handlerEnd: ExitHang, returned: true, said: network}, AwayHandler},
		{"replaced, handler hung, starved", absence{class: replaced, handlerEnd: ExitHang, returned: true, said: starved}, AwayHandler},
		{"replaced, handler crashed", absence{class: replaced, handlerEnd: ExitCrash, returned: true, said: network}, AwayHandler},
		{"replaced, handler out of memory", absence{class: replaced, handlerEnd: ExitOOM, returned: true, said: network}, AwayHandler},
		{"replaced, handler in its sandbox", absence{class: replaced, handlerEnd: ExitSandbox, returned: true, said: network}, AwayHandler},
		{"replaced, handler lied", absence{class: replaced, handlerEnd: ExitProtocol, returned: true, said: network}, AwayHandler},
		{"replaced, handler clean", absence{class: replaced, handlerEnd: ExitClean, returned: true, said: network}, AwayNetwork},
		{"replaced, handler killed at the end", absence{class: replaced, handlerEnd: ExitKilled, returned: true, said: network}, AwayNetwork},
		{"replaced, handler orphaned", absence{class: replaced, handlerEnd: ExitOrphaned, returned: true, said: network}, AwayNetwork},
		{"not classed, handler hung", absence{class: none, handlerEnd: ExitHang, returned: true, said: network}, AwayHandler},
		{"silent, handler hung", absence{class: silent, handlerEnd: ExitHang, returned: true, said: network}, AwayNetwork},
		{"closed, handler crashed", absence{class: closedByClient, handlerEnd: ExitCrash, lost: true}, AwayDied},
		{"supervisor, handler crashed", absence{class: bySupervisor, handlerEnd: ExitCrash, lost: true}, AwaySupervisor},

		{"not classed, starved", absence{class: none, returned: true, said: starved}, AwayStarved},
		{"not classed, network", absence{class: none, returned: true, said: network}, AwayNetwork},
		{"not classed, sent away", absence{class: none, returned: true, said: sentAway}, AwaySupervisor},
		{"not classed, lost", absence{class: none, lost: true}, AwayUnknown},
		{"a class of tomorrow", absence{class: 99, returned: true, said: 99}, AwayUnknown},
	}
	for _, test := range tests {
		if got := judge(test.a); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

// A client may give a hung handler up and be back before the supervisor kills it.
func TestAClientThatLeavesAHungHandlerFirst(t *testing.T) {
	for _, late := range []bool{false, true} {
		s := newStory(t, 1)
		a := s.arrive("a", 1, 1, 4001, 0)
		a.start()
		exit := func() {
			s.handler(1, 1, 4001, bulkheadv1.ExitClass_EXIT_CLASS_HANG, "hung: it has answered nothing for 6.4s; killed", false)
		}
		s.at(6 * time.Second)
		if !late {
			exit()
		}
		a.detachAs(replaced, 1, "the client has a newer connection")
		a.attachAfter(network, 0, "no sign of life from the supervisor's side for 4s", 2, 4002)
		s.at(7 * time.Second)
		if late {
			exit()
		}
		r := foldAll(t, s.records)
		if got := r.Clients[0].Connections[0].AwayWhy; got != AwayHandler {
			t.Errorf("its end late: %v: %q, want %q", late, got, AwayHandler)
		}
		if text := strings.Join(r.Verdict.Warnings, "\n"); strings.Contains(text, "network was gone") || !strings.Contains(text, "handler 4001 (a) hung: it has answered nothing for 6.4s; killed") {
			t.Errorf("its end late: %v: warnings %s", late, text)
		}
	}
}

// A lost client's reason says what is known of why it never came back.
func TestLostSaysWhy(t *testing.T) {
	for class, want := range map[bulkheadv1.DetachClass]string{
		closedByClient: "client a: lost: gone for 30s; its machine closed the connection, so the client probably died",
		silent:         "client a: lost: gone for 30s; nothing was heard of it any more: its network, its machine or the client itself",
		byHandler:      "client a: lost: gone for 30s; its handler had ended",
		bySupervisor:   "client a: lost: gone for 30s; the supervisor had ended its connection",
		0:              "client a: lost: gone for 30s",
	} {
		s := newStory(t, 1)
		a := s.arrive("a", 1, 1, 4001, 0)
		a.start()
		a.at(time.Second).detachAs(class, 1, "cut")
		a.at(31*time.Second).end(bulkheadv1.Outcome_OUTCOME_LOST, "gone for 30s")
		r := foldAll(t, s.records)
		if got := r.Verdict.Reasons[len(r.Verdict.Reasons)-1]; got != want {
			t.Errorf("%v: reason %q, want %q", class, got, want)
		}
		if c := r.Clients[0].Connections[0]; c.AwayNano != int64(30*time.Second) || c.DetachClass != detachClass(class) {
			t.Errorf("%v: away for %v, class %q", class, time.Duration(c.AwayNano), c.DetachClass)
		}
	}
	// One that was still connected when the run was over says nothing of the kind.
	s := newStory(t, 1)
	s.arrive("a", 1, 1, 4001, 0).end(bulkheadv1.Outcome_OUTCOME_LOST, "still open at the deadline")
	if got := foldAll(t, s.records).Verdict.Reasons[1]; got != "client a: lost: still open at the deadline" {
		t.Errorf("reason %q", got)
	}
}
