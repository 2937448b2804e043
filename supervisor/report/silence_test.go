package report

import (
	"fmt"
	"strings"
	"testing"
	"time"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// missing is a round that a consumer did not answer.
func (a *actor) missing(round uint64, index uint32, reason string) *bulkheadv1.Message {
	return a.heartbeat(round, &bulkheadv1.HeartbeatMiss{Process: a.process(kindConsumer, index), Reason: reason})
}

// A row of rounds that a living process did not answer is one event, in all forms of the
// report; what a dead one does not answer is none.
func TestMissedHeartbeatsAreEvents(t *testing.T) {
	s := newStory(t, 1)
	a := s.arrive("a", 1, 1, 4001, time.Hour)
	a.start()
	for round := uint64(1); round <= 12; round++ {
		a.at(time.Duration(round) * 2 * time.Second)
		began := a.clock()
		m := a.heartbeat(round)
		switch {
		case round >= 3 && round <= 5, round == 8:
			m = a.missing(round, 1, "no answer in 2s")
		case round >= 10:
			m = a.missing(round, 0, "process is gone (killed by SIGKILL)")
		}
		a.at(a.after + time.Second)
		m.GetHeartbeat().StartedUnixNano = began
		a.say(m)
	}
	r := foldAll(t, s.records)
	var got []string
	for _, e := range r.Series.Events {
		if e.Kind != EventMissed {
			continue
		}
		got = append(got, fmt.Sprintf("%s…%s %s %d: %s", offset(r.Run.StartedAt, e.At), offset(r.Run.StartedAt, e.EndAt), e.Client, e.Session, e.Text))
	}
	want := []string{
		"+6s…+11s a 1: a: consumer 1 missed 3 heartbeats: no answer in 2s",
		"+16s…+17s a 1: a: consumer 1 missed 1 heartbeat: no answer in 2s",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("events\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	text, json := render(t, r)
	if !strings.Contains(string(text), "  +6s   5s  consumer 1 missed 3 heartbeats: no answer in 2s") {
		t.Errorf("the text does not say it:\n%s", text)
	}
	if n := strings.Count(string(json), `"kind": "missed"`); n != 2 {
		t.Errorf("the JSON says it %d times", n)
	}
}

// However often a client misses, it has at most maxSilences events; the others are counted.
func TestSilencesAreBounded(t *testing.T) {
	s := newStory(t, 1)
	a := s.arrive("a", 1, 1, 4001, 0)
	const rows = maxSilences + 50
	for n := range uint64(rows) {
		a.at(time.Duration(n+1) * time.Second)
		a.say(a.missing(2*n+1, 0, strings.Repeat("x", 4000)), a.heartbeat(2*n+2))
	}
	got := foldAll(t, s.records).Series
	if len(got.Events) != maxSilences || got.EventsLeftOut != rows-maxSilences {
		t.Errorf("%d events and %d left out, want %d and %d", len(got.Events), got.EventsLeftOut, maxSilences, rows-maxSilences)
	}
	if n := len(got.Events[0].Text); n > maxText {
		t.Errorf("a text of %d bytes", n)
	}
}
