package stories

import (
	"strings"
	"testing"
	"time"

	"bulkhead/internal/testing/folded"
	"bulkhead/internal/testing/story"
	"bulkhead/supervisor/report"
)

// foundOf returns the findings of a kind.
func foundOf(r *report.Report, kind string) []report.Finding {
	var list []report.Finding
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
	s := story.New(t, 1)
	a := s.Arrive("mute", 1, 1, 4001, 0)
	a.Start()
	s.At(22*time.Second).Silent(1, 12*time.Second, true)
	s.At(40*time.Second).Silent(1, 28*time.Second, false) // 2 s of them did not count
	s.At(80*time.Second).Silent(1, 13*time.Second, true)
	r := folded.All(t, s.Records)
	c := r.Clients[0]
	want := []report.MessageGap{
		{At: stampAt(10 * time.Second), EndAt: stampAt(40 * time.Second), LengthNano: int64(28 * time.Second)},
		{At: stampAt(67 * time.Second), LengthNano: int64(13 * time.Second)},
	}
	if len(c.MessageGaps) != 2 || c.MessageGaps[0] != want[0] || c.MessageGaps[1] != want[1] {
		t.Errorf("gaps %+v\nwant %+v", c.MessageGaps, want)
	}
	found := foundOf(r, report.FindingSilent)
	if len(found) != 1 || found[0].Session != 1 ||
		!strings.Contains(found[0].Text,
			"said nothing for 28s from 14:02:20.120 on, for 13s from 14:03:17.120 on and was silent still") {
		t.Errorf("findings %+v", found)
	}
	n := 0
	for _, e := range r.Series.Events {
		if e.Kind == report.EventSilent {
			n++
		}
	}
	if n != 2 || c.Outcome != report.OutcomeOpen {
		t.Errorf("%d events, outcome %s", n, c.Outcome)
	}
}

// A pause of the supervisor is a finding about the run, and a client that was away because of
// it is not to blame.
func TestPausedSupervisorBlamesNobody(t *testing.T) {
	for _, paused := range []bool{true, false} {
		s := story.New(t, 1)
		a := s.Arrive("patient", 1, 1, 4001, 0)
		a.Start()
		s.At(60 * time.Second)
		if paused {
			s.Paused(50 * time.Second)
		}
		a.DetachAs(story.Silent, 1, "client sent nothing and answered no ping for 50s")
		s.At(61 * time.Second)
		a.AttachAfter(story.Network, 0, "", 2, 4002)
		r := folded.All(t, s.Records)
		want, findings := report.AwayNetwork, 0
		if paused {
			want, findings = report.AwaySupervisor, 1
		}
		if got := r.Clients[0].Connections[0].AwayWhy; got != want {
			t.Errorf("paused %v: away because of %q; want %q", paused, got, want)
		}
		list := foundOf(r, report.FindingPaused)
		if len(list) != findings {
			t.Fatalf("paused %v: findings %+v", paused, list)
		}
		if paused && (!strings.Contains(list[0].Text, "did not run for 50s from 14:02:20.120 on") ||
			r.Run.Pauses[0].At != stampAt(10*time.Second)) {
			t.Errorf("%+v, %+v", list[0], r.Run.Pauses)
		}
	}
}

// stampAt returns a moment after the begin of a story.
func stampAt(after time.Duration) report.Stamp {
	return report.Stamp(story.RunStart.Add(after).UnixNano())
}
