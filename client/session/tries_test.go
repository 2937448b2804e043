package session

import (
	"errors"
	"testing"
	"time"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

func shedFor(d time.Duration) retryable {
	return retryable{error: errors.New("busy"), after: d, absence: bulkheadv1.Absence_ABSENCE_SENT_AWAY}
}

func TestTriesWaitAsAsked(t *testing.T) {
	for _, test := range []struct {
		asked  time.Duration
		random float64
		want   time.Duration
	}{
		{2 * time.Second, 0, 2 * time.Second},
		{2 * time.Second, 0.5, 2250 * time.Millisecond},
		{2 * time.Second, 0.99, 2495 * time.Millisecond},
		{50 * time.Second, 0.999999, time.Minute},
		{time.Hour, 0, time.Minute},
		{1, 0, askedLeast},
		{1, 0.999999999, 250 * time.Millisecond},
	} {
		now := time.Now()
		wait, over := newTries(30*time.Second, now).next(now, reached{}, shedFor(test.asked), 0, false, test.random)
		if over || wait.Round(time.Microsecond) != test.want {
			t.Errorf("asked for %s: waits %s, over %v; want %s", test.asked, wait, over, test.want)
		}
	}
}

// tryUntilOver counts the tries of a client for which every one ends like why.
func tryUntilOver(t *testing.T, timeout, away time.Duration, first reached, why retryable) time.Duration {
	t.Helper()
	began := time.Now()
	now := began
	tries := newTries(timeout, began)
	for n := 0; n < 100_000; n++ {
		wait, over := tries.next(now, first, why, away, false, 0.5)
		first = reached{}
		if over {
			return now.Sub(began)
		}
		if wait <= 0 {
			t.Fatalf("try %d: a wait of %s", n, wait)
		}
		now = now.Add(wait)
	}
	return -1
}

func TestTriesEnd(t *testing.T) {
	refused := broken(errors.New("connection refused"))
	if d := tryUntilOver(t, 10*time.Second, 0, reached{}, refused); d < 9*time.Second || d > 10*time.Second {
		t.Errorf("nobody there: gave up after %s; want the connect timeout", d)
	}
	if d := tryUntilOver(t, 10*time.Second, 0, reached{}, shedFor(time.Second)); d < 98*time.Second ||
		d > 100*time.Second {
		t.Errorf("shed: gave up after %s; want ten connect timeouts", d)
	}
	if d := tryUntilOver(t, time.Second, 0, reached{welcomed: true}, refused); d >= 0 {
		t.Errorf("welcomed: gave up after %s; want never", d)
	}
	if d := tryUntilOver(t, time.Hour, 5*time.Second, reached{welcomed: true}, refused); d < 4*time.Second ||
		d > 5*time.Second {
		t.Errorf("away: gave up after %s; want the away timeout", d)
	}
}

// One "retry after" gives a connect timeout more, not ten of them.
func TestTriesEndAfterTheLastAnswer(t *testing.T) {
	began := time.Now()
	tries := newTries(10*time.Second, began)
	wait, _ := tries.next(began.Add(9*time.Second), reached{}, shedFor(2*time.Second), 0, false, 0)
	now := began.Add(9*time.Second + wait)
	for {
		wait, over := tries.next(now, reached{}, broken(errors.New("connection refused")), 0, false, 0)
		if over {
			break
		}
		now = now.Add(wait)
	}
	if d := now.Sub(began); d < 20*time.Second || d > 21*time.Second {
		t.Errorf("gave up after %s; want 10s after the time asked for", d)
	}
}

func TestTriesBackOffAnewAfterAnAck(t *testing.T) {
	now := time.Now()
	tries := newTries(time.Hour, now)
	refused := broken(errors.New("connection refused"))
	var last time.Duration
	for range 10 {
		last, _ = tries.next(now, reached{}, refused, 0, false, 0)
	}
	first, _ := tries.next(now, reached{welcomed: true, acked: true}, refused, 0, false, 0)
	if last != backoffMost || first != backoffFirst {
		t.Errorf("waits %s, after an ack %s; want %s and %s", last, first, backoffMost, backoffFirst)
	}
}

// A supervisor that asks a client to come again at once is believed a few times, and then no more.
func TestTriesOfOneThatIsAskedBackAtOnce(t *testing.T) {
	now := time.Now()
	tries := newTries(time.Hour, now)
	for n := 1; n <= 20; n++ {
		want := askedLeast
		if n > askedTimes {
			want = backoffMost
		}
		if wait, _ := tries.next(now, reached{welcomed: true}, shedFor(1), 0, false, 0); wait != want {
			t.Errorf("try %d waits %s; want %s", n, wait, want)
		}
	}
}

// A client that had its Welcome is kept away by request for so long and no longer, until an ack.
func TestTriesHaveABudgetForWhatIsAsked(t *testing.T) {
	now := time.Now()
	tries := newTries(time.Hour, now)
	stayed := func() (asked time.Duration) {
		for range 20 {
			wait, _ := tries.next(now, reached{welcomed: true}, shedFor(50*time.Second), 0, false, 0)
			if now = now.Add(wait); wait > backoffMost {
				asked += wait
			}
		}
		return asked
	}
	if asked := stayed(); asked < askedBudget || asked >= askedBudget+askedMost {
		t.Errorf("kept away for %s; want %s", asked, askedBudget)
	}
	if asked := stayed(); asked != 0 {
		t.Errorf("kept away for another %s", asked)
	}
	tries.next(now, reached{welcomed: true, acked: true}, shedFor(1), 0, false, 0)
	if asked := stayed(); asked < askedBudget {
		t.Errorf("after an ack, kept away for %s; want %s", asked, askedBudget)
	}
}

// Connections that are welcomed, and of which nothing comes, do not keep a client that has little
// time; their own time does not count.
func TestTriesEndWhenWelcomesAreAllThereIs(t *testing.T) {
	began := time.Now()
	now, tries := began, newTries(time.Hour, began)
	for lasted := time.Duration(0); ; lasted = time.Minute {
		now = now.Add(lasted)
		wait, over := tries.next(now, reached{welcomed: true, lasted: lasted}, broken(errors.New("cut")), 5*time.Second,
			false, 0.5)
		if over {
			break
		}
		if now = now.Add(wait); now.Sub(began) > time.Hour {
			t.Fatal("never gives up")
		}
	}
	if d := now.Sub(began) % time.Minute; d < 4*time.Second || d > 5*time.Second {
		t.Errorf("gave up after %s, with connections of a minute; want 5s between them", now.Sub(began))
	}
}

// The addresses that are tried one after the other count as one connection, without a wait between
// them; but for one that welcomed the client and did nothing for it.
func TestAddressesOfARoundAreOneTry(t *testing.T) {
	now := time.Unix(1000, 0)
	refused := broken(errors.New("connection refused"))
	tries := newTries(time.Hour, now)
	for range 5 {
		if wait, over := tries.next(now, reached{}, refused, 0, true, 0); wait != 0 || over || tries.failed != 0 {
			t.Fatalf("%v (%v) after %d failures; want to go on at once", wait, over, tries.failed)
		}
	}
	if wait, _ := tries.next(now, reached{}, refused, 0, false, 0); wait != backoffFirst || tries.failed != 1 {
		t.Errorf("%v after %d failures; want the first wait", wait, tries.failed)
	}
	if wait, _ := tries.next(now, reached{welcomed: true}, shedFor(30), 0, true, 0); wait != 2*backoffFirst {
		t.Errorf("%v after a welcome and nothing else; want the client's own second wait", wait)
	}
	sent := reached{welcomed: true, acked: true}
	if wait, _ := tries.next(now, sent, shedFor(30), 0, true, 0.5); wait != backoffFirst/2 {
		t.Errorf("%v after it was sent away; want a part of the first wait", wait)
	}
}
