package report

import (
	"strings"
	"testing"
	"time"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

func (s *story) silent(session uint32, length time.Duration, ongoing bool) {
	s.add(&bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionSilent{SessionSilent: &bulkheadv1.SessionSilent{
		Session: session, SilentNano: int64(length), Ongoing: ongoing,
	}}})
}

func (s *story) paused(length time.Duration) {
	s.add(&bulkheadv1.Record{Entry: &bulkheadv1.Record_SupervisorPaused{SupervisorPaused: &bulkheadv1.SupervisorPaused{PausedNano: int64(length)}}})
}

// foundOf returns the findings of a kind.
func foundOf(r *Report, kind string) []Finding {
	var list []Finding
	for _, f := range r.Findings {
		if f.Kind == kind {
			list = append(list, f)
		}
	}
	return list
}

// A client that said nothing is a finding with begin and measured length, and no more than
// that: its session, and the run, are what they would be.
func TestClientThatSaidNothing(t *testing.T) {
	s := newStory(t, 1)
	a := s.arrive("mute", 1, 1, 4001, 0)
	a.start()
	s.at(22*time.Second).silent(1, 12*time.Second, true)
	s.at(40*time.Second).silent(1, 28*time.Second, false) // 2 s of them did not count
	s.at(80*time.Second).silent(1, 13*time.Second, true)
	r := foldAll(t, s.records)
	c := r.Clients[0]
	want := []MessageGap{
		{At: stampAt(10 * time.Second), EndAt: stampAt(40 * time.Second), LengthNano: int64(28 * time.Second)},
		{At: stampAt(67 * time.Second), LengthNano: int64(13 * time.Second)},
	}
	if len(c.MessageGaps) != 2 || c.MessageGaps[0] != want[0] || c.MessageGaps[1] != want[1] {
		t.Errorf("gaps %+v\nwant %+v", c.MessageGaps, want)
	}
	found := foundOf(r, FindingSilent)
	if len(found) != 1 || found[0].Session != 1 || !strings.Contains(found[0].Text, "said nothing for 28s from 14:02:20.120 on, for 13s from 14:03:17.120 on and was silent still") {
		t.Errorf("findings %+v", found)
	}
	n := 0
	for _, e := range r.Series.Events {
		if e.Kind == EventSilent {
			n++
		}
	}
	if n != 2 || c.Outcome != OutcomeOpen {
		t.Errorf("%d events, outcome %s", n, c.Outcome)
	}
}

// A pause of the supervisor is a finding about the run, and a client that was away because of
// it is not to blame.
func TestPausedSupervisorBlamesNobody(t *testing.T) {
	for _, paused := range []bool{true, false} {
		s := newStory(t, 1)
		a := s.arrive("patient", 1, 1, 4001, 0)
		a.start()
		s.at(60 * time.Second)
		if paused {
			s.paused(50 * time.Second)
		}
		a.detachAs(silent, 1, "client sent nothing and answered no ping for 50s")
		s.at(61 * time.Second)
		a.attachAfter(network, 0, "", 2, 4002)
		r := foldAll(t, s.records)
		want, findings := AwayNetwork, 0
		if paused {
			want, findings = AwaySupervisor, 1
		}
		if got := r.Clients[0].Connections[0].AwayWhy; got != want {
			t.Errorf("paused %v: away because of %q; want %q", paused, got, want)
		}
		list := foundOf(r, FindingPaused)
		if len(list) != findings {
			t.Fatalf("paused %v: findings %+v", paused, list)
		}
		if paused && (!strings.Contains(list[0].Text, "did not run for 50s from 14:02:20.120 on") || r.Run.Pauses[0].At != stampAt(10*time.Second)) {
			t.Errorf("%+v, %+v", list[0], r.Run.Pauses)
		}
	}
}

// stampAt is a moment after the begin of a story.
func stampAt(after time.Duration) Stamp { return Stamp(runStart.Add(after).UnixNano()) }
