package stories

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"bulkhead/internal/plaintext"
	"bulkhead/internal/testing/folded"
	"bulkhead/internal/testing/story"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/fold"
	"bulkhead/supervisor/report/words"
)

// A row of rounds that a living process did not answer is one event, in all forms of the
// report; what a dead one does not answer is none.
func TestMissedHeartbeatsAreEvents(t *testing.T) {
	s := story.New(t, 1)
	a := s.Arrive("a", 1, 1, 4001, time.Hour)
	a.Start()
	for round := uint64(1); round <= 12; round++ {
		a.At(time.Duration(round) * 2 * time.Second)
		began := a.Clock()
		m := a.Heartbeat(round)
		switch {
		case round >= 3 && round <= 5, round == 8:
			m = a.Missing(round, 1, "no answer in 2s")
		case round >= 10:
			m = a.Missing(round, 0, "process is gone (killed by SIGKILL)")
			m.GetHeartbeat().GetMisses()[0].Gone = true
		}
		a.At(a.After + time.Second)
		m.GetHeartbeat().StartedUnixNano = began
		a.Say(m)
	}
	r := folded.All(t, s.Records)
	var got []string
	for _, e := range r.Series.Events {
		if e.Kind != report.EventMissed {
			continue
		}
		got = append(got, fmt.Sprintf("%s…%s %s %d: %s", words.Offset(r.Run.StartedAt, e.At),
			words.Offset(r.Run.StartedAt, e.EndAt), e.Client, e.Session, e.Text))
	}
	want := []string{
		"+6s…+11s a 1: a: consumer 1 missed 3 heartbeats: no answer in 2s",
		"+16s…+17s a 1: a: consumer 1 missed 1 heartbeat: no answer in 2s",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("events\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	text, json := rendered(t, r)
	if !strings.Contains(string(text), "  +6s   5s  consumer 1 missed 3 heartbeats: no answer in 2s") {
		t.Errorf("the text does not say it:\n%s", text)
	}
	if n := strings.Count(string(json), `"kind": "missed"`); n != 2 {
		t.Errorf("the JSON says it %d times", n)
	}
}

// However often a client misses, it has at most maxSilences events; the others are counted.
func TestSilencesAreBounded(t *testing.T) {
	s := story.New(t, 1)
	a := s.Arrive("a", 1, 1, 4001, 0)
	const rows = fold.MaxSilences + 50
	for n := range uint64(rows) {
		a.At(time.Duration(n+1) * time.Second)
		a.Say(a.Missing(2*n+1, 0, strings.Repeat("x", 4000)), a.Heartbeat(2*n+2))
	}
	got := folded.All(t, s.Records).Series
	if len(got.Events) != fold.MaxSilences || got.EventsLeftOut != rows-fold.MaxSilences {
		t.Errorf("%d events and %d left out, want %d and %d", len(got.Events), got.EventsLeftOut, fold.MaxSilences,
			rows-fold.MaxSilences)
	}
	if n := len(got.Events[0].Text); n > plaintext.MaxText {
		t.Errorf("a text of %d bytes", n)
	}
}
