package supervisor

import (
	"slices"
	"testing"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// TestNext pins the whole life of a session: every pair of phase and event.
func TestNext(t *testing.T) {
	type step struct {
		to      phase
		actions []action
	}
	all := []phase{fresh, active, adrift, away, closed, lost, rejected, quarantined}
	events := []event{connected, reattached, cut, goodbye, breach, disowned, ousted, poisoned, graceOver, runOver,
		drainOver}
	want := map[phase]map[event]step{
		fresh: {
			connected: {active, []action{recordAttach, welcome}},
			ousted:    {rejected, []action{recordEnd}},
			runOver:   {lost, []action{recordEnd}},
		},
		active: {
			connected: {active, []action{dropLink, recordDetach, recordAttach, welcome}},
			cut:       {away, []action{recordDetach, startGrace}},
			goodbye:   {closed, []action{recordEnd, finishOK}},
			breach:    {rejected, []action{recordDetach, recordEnd}},
			ousted:    {rejected, []action{recordDetach, recordEnd}},
			disowned:  {away, []action{recordDetach, startGrace}},
			poisoned:  {quarantined, []action{recordDetach, recordEnd}},
			runOver:   {lost, []action{recordEnd, finishOver}},
			drainOver: {lost, []action{recordEnd, finishLost}},
		},
		adrift: {
			connected:  {active, []action{recordDetach, recordAttach, welcome}},
			reattached: {active, []action{recordAttach, welcome}},
			cut:        {away, []action{recordDetach, startGrace}},
			breach:     {rejected, []action{recordDetach, recordEnd}},
			ousted:     {rejected, []action{recordDetach, recordEnd}},
			poisoned:   {quarantined, []action{recordDetach, recordEnd}},
			runOver:    {lost, []action{recordDetach, recordEnd}},
			drainOver:  {lost, []action{recordDetach, recordEnd}},
		},
		away: {
			connected: {active, []action{stopGrace, recordAttach, welcome}},
			graceOver: {lost, []action{recordEnd}},
			ousted:    {rejected, []action{stopGrace, recordEnd}},
			runOver:   {lost, []action{stopGrace, recordEnd}},
			drainOver: {lost, []action{stopGrace, recordEnd}},
		},
		closed: {
			connected:  {closed, []action{welcome}},
			reattached: {closed, []action{welcome}},
			goodbye:    {closed, []action{finishOK}},
		},
		lost:        {connected: {lost, []action{refuse}}, reattached: {lost, []action{refuse}}},
		rejected:    {connected: {rejected, []action{refuse}}, reattached: {rejected, []action{refuse}}},
		quarantined: {connected: {quarantined, []action{refuse}}, reattached: {quarantined, []action{refuse}}},
	}
	for _, p := range all {
		for _, e := range events {
			w, ok := want[p][e]
			if !ok {
				w = step{to: p}
			}
			to, actions := next(p, e)
			if to != w.to || !slices.Equal(actions, w.actions) {
				t.Errorf("next(%v, %d) = %v, %v; want %v, %v", p, e, to, actions, w.to, w.actions)
			}
		}
	}
}

// TestOneOutcome walks all event sequences of length six: a session that has
// ended stays so, and its end is recorded once.
func TestOneOutcome(t *testing.T) {
	events := []event{connected, reattached, cut, goodbye, breach, disowned, ousted, poisoned, graceOver, runOver,
		drainOver}
	var walk func(p phase, ends, depth int)
	walk = func(p phase, ends, depth int) {
		if depth == 0 {
			return
		}
		for _, e := range events {
			to, actions := next(p, e)
			n := ends
			for _, a := range actions {
				if a == recordEnd {
					n++
				}
			}
			if p.ended() && to != p {
				t.Fatalf("%v became %v on event %d", p, to, e)
			}
			want := 0
			if to.ended() {
				want = 1
			}
			if n != want {
				t.Fatalf("a session in phase %v has %d recorded ends; want %d", to, n, want)
			}
			walk(to, n, depth-1)
		}
	}
	walk(fresh, 0, 6)
}

// joins adds a client that counts, and its session.
func joins(l *lifecycle) { l.sessionBegan(); l.joined++ }

func TestLifecycle(t *testing.T) {
	for _, tt := range []struct {
		name  string
		do    func(*lifecycle)
		want  course
		state bulkheadv1.RunState
	}{
		{"nobody came", func(*lifecycle) {}, goOn, bulkheadv1.RunState_RUN_STATE_WAITING},
		{"one of two is here", func(l *lifecycle) { joins(l) }, goOn, bulkheadv1.RunState_RUN_STATE_RUNNING},
		{"one of two has ended", func(l *lifecycle) { joins(l); l.sessionEnded() }, goOn,
			bulkheadv1.RunState_RUN_STATE_WAITING},
		{"both are here", func(l *lifecycle) { joins(l); joins(l) }, goOn, bulkheadv1.RunState_RUN_STATE_RUNNING},
		{"both have ended", func(l *lifecycle) { joins(l); joins(l); l.sessionEnded(); l.sessionEnded() }, linger,
			bulkheadv1.RunState_RUN_STATE_RUNNING},
		{"drained with nobody there", func(l *lifecycle) { l.drain() }, finish, bulkheadv1.RunState_RUN_STATE_DRAINING},
		{"drained with one there", func(l *lifecycle) { joins(l); l.drain() }, goOn,
			bulkheadv1.RunState_RUN_STATE_DRAINING},
		{"drained and ended", func(l *lifecycle) { joins(l); l.drain(); l.sessionEnded() }, finish,
			bulkheadv1.RunState_RUN_STATE_DRAINING},
	} {
		l := lifecycle{expected: 2}
		tt.do(&l)
		if got := l.course(); got != tt.want || l.state() != tt.state {
			t.Errorf("%s: course %d, state %s; want %d, %s", tt.name, got, l.state(), tt.want, tt.state)
		}
	}
}
