package contract

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/cluster"
)

// Joiner joins one run as one more supervisor, whose Run is closed when the test ends. Alone says that
// there can only be one.
type Joiner struct {
	Join  func(t testing.TB) cluster.Run
	Alone bool
}

// Test runs all tests. begin begins another run each time.
func Test(t *testing.T, begin func(t *testing.T) Joiner) {
	for _, one := range []struct {
		name  string
		test  func(t *testing.T, a, b cluster.Run)
		alone bool // it makes sense where a and b are one
	}{
		{"a new client gets a number and a head", newClient, true},
		{"a head is found as it was left", headIsFound, true},
		{"what does not continue is refused", refused, true},
		{"who opens a session takes it", moved, true},
		{"a zombie is acknowledged nothing", zombie, false},
		{"the records have one order", order, true},
		{"a run ends once", ends, true},
		{"a run that is not sealed does not end", notSealed, true},
		{"two ends at once", twoEnds, false},
		{"many open at once", crowd, true},
		{"connections of different supervisors differ", connections, false},
		{"facts of no session", notes, true},
	} {
		t.Run(one.name, func(t *testing.T) {
			j := begin(t)
			if j.Alone && !one.alone {
				t.Skip("there is one supervisor")
			}
			a := j.Join(t)
			b := a
			if !j.Alone {
				b = j.Join(t)
			}
			one.test(t, a, b)
		})
	}
}

// open opens a session.
func open(t testing.TB, r cluster.Run, client string) (cluster.Log, cluster.Head) {
	t.Helper()
	l, h, err := r.Open(t.Context(), Hello(client))
	if err != nil {
		t.Fatal(err)
	}
	return l, h
}

// add appends records.
func add(t testing.TB, l cluster.Log, h cluster.Head, recs ...*bulkheadv1.Record) cluster.Head {
	t.Helper()
	if err := l.Append(t.Context(), h, recs...); err != nil {
		t.Fatal(err)
	}
	return h
}

// attach gives a session a connection.
func attach(t testing.TB, r cluster.Run, l cluster.Log, h cluster.Head) cluster.Head {
	t.Helper()
	var recs []*bulkheadv1.Record
	if h.Phase == active {
		recs = append(recs, Detached(h))
	}
	h, rec := Attached(h, r.Connection())
	return add(t, l, h, append(recs, rec)...)
}

// say appends n messages.
func say(t testing.TB, l cluster.Log, h cluster.Head, n int) cluster.Head {
	t.Helper()
	h, rec := Messages(h, n, 10)
	return add(t, l, h, rec)
}

// finish ends a session.
func finish(t testing.TB, l cluster.Log, h cluster.Head) {
	t.Helper()
	h, rec := Over(h)
	add(t, l, h, rec)
}

func census(t testing.TB, r cluster.Run) cluster.Census {
	t.Helper()
	c, err := r.Census(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func want(t testing.TB, what string, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("%s: %v; want %v", what, err, target)
	}
}

func newClient(t *testing.T, a, b cluster.Run) {
	l, h := open(t, a, "one")
	if h.Session == 0 || h.Supervisor != a.Supervisor() || h.Epoch == 0 || h.Durable != 0 || h.Ended() {
		t.Errorf("the head is %+v", h)
	}
	_, other := open(t, b, "two")
	if other.Session == h.Session || other.Session == 0 {
		t.Errorf("sessions %d and %d", h.Session, other.Session)
	}
	o, err := l.Opened(t.Context())
	if err != nil || o.GetSession() != h.Session || o.GetHello().GetName() != "one" {
		t.Errorf("the session was opened by %v: %v", o, err)
	}
	bare, _, err := a.Open(t.Context(), cluster.Hello{Client: []byte("bare")})
	if err != nil {
		t.Fatal(err)
	}
	if o, err := bare.Opened(t.Context()); err != nil || string(o.GetHello().GetClientId()) != "bare" {
		t.Errorf("the session was opened by %v: %v", o, err)
	}
	if c := census(t, b); c.Joined != 3 || c.Open != 3 || c.Sealed || c.Ended {
		t.Errorf("the census is %+v", c)
	}
	_, _, err = a.Open(t.Context(), cluster.Hello{})
	want(t, "a client without an id", err, cluster.ErrRefused)
}

func headIsFound(t *testing.T, a, b cluster.Run) {
	l, h := open(t, a, "one")
	h = attach(t, a, l, h)
	h.Poison, h.PoisonAfter, h.State = 2, 5, []byte{0, 1, 2, 255}
	h = say(t, l, h, 7)
	l.Release()
	var listed []cluster.Found
	for f, err := range b.Heads(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		listed = append(listed, f)
	}
	if len(listed) != 1 || string(listed[0].Client) != "one" || fmt.Sprint(listed[0].Head) != fmt.Sprint(h) {
		t.Errorf("%+v is listed; want %+v", listed, h)
	}
	_, found := open(t, b, "one")
	h.Epoch, h.Supervisor = h.Epoch+1, b.Supervisor()
	if fmt.Sprint(found) != fmt.Sprint(h) {
		t.Errorf("the head is %+v; want %+v", found, h)
	}
	want(t, "a log that was released", l.Append(t.Context(), h), cluster.ErrMoved)
}

func refused(t *testing.T, a, _ cluster.Run) {
	l, h := open(t, a, "one")
	h = say(t, l, attach(t, a, l, h), 3)
	ahead, gap := Messages(cluster.Head{Session: h.Session, Durable: 4}, 1, 1)
	want(t, "a gap", l.Append(t.Context(), ahead, gap), cluster.ErrRefused)
	again, twice := Messages(cluster.Head{Session: h.Session, Durable: 2}, 1, 1)
	want(t, "messages again", l.Append(t.Context(), again, twice), cluster.ErrRefused)
	_, next := Messages(h, 1, 1)
	want(t, "a head that is behind", l.Append(t.Context(), h, next), cluster.ErrRefused)
	other := h
	other.Session++
	_, foreign := Messages(other, 1, 1)
	want(t, "another session's", l.Append(t.Context(), other, foreign), cluster.ErrRefused)
	want(t, "an empty record", l.Append(t.Context(), h, &bulkheadv1.Record{}), cluster.ErrRefused)
	large := h
	large.State = make([]byte, cluster.MaxStateBytes+1)
	want(t, "a large state", l.Append(t.Context(), large), cluster.ErrRefused)
	h = say(t, l, h, 2) // nothing of it has harmed the session
	finish(t, l, h)
	h.Phase = closed
	after, late := Messages(h, 1, 1)
	want(t, "messages after the end", l.Append(t.Context(), after, late), cluster.ErrEnded)
	exited := &bulkheadv1.Record{Entry: &bulkheadv1.Record_HandlerExited{HandlerExited: &bulkheadv1.HandlerExited{
		Session: h.Session, ConnectionId: h.Connection}}}
	add(t, l, h, exited)
	if n := Checked(t, Collected(t, a)).Messages; n != 5 {
		t.Errorf("%d messages are there, not 5", n)
	}
}

func moved(t *testing.T, a, b cluster.Run) {
	l, h := open(t, a, "one")
	h = say(t, l, attach(t, a, l, h), 3)
	taken, found := open(t, b, "one")
	next, rec := Messages(h, 1, 1)
	want(t, "who has lost it", l.Append(t.Context(), next, rec), cluster.ErrMoved)
	want(t, "again", l.Append(t.Context(), next, rec), cluster.ErrMoved)
	found = say(t, taken, attach(t, b, taken, found), 4)
	if found.Durable != 7 {
		t.Errorf("%d messages are durable", found.Durable)
	}
	back, found := open(t, a, "one")
	found = attach(t, a, back, found)
	if found.Durable != 7 || found.Attaches != 3 {
		t.Errorf("the head is %+v", found)
	}
	finish(t, back, found)
	if _, h := open(t, b, "one"); !h.Ended() {
		t.Errorf("the session is %v", h.Phase)
	}
	if c := census(t, b); c.Joined != 1 || c.Open != 0 {
		t.Errorf("the census is %+v", c)
	}
	if r := Checked(t, Collected(t, b)); r.Messages != 7 || r.Sessions != 1 {
		t.Errorf("%d messages of %d sessions", r.Messages, r.Sessions)
	}
}

// zombie lets one supervisor go on while the other takes its session: each message that the first was
// acknowledged is there, and it was acknowledged nothing after the other had the session.
func zombie(t *testing.T, a, b cluster.Run) {
	l, h := open(t, a, "one")
	h = attach(t, a, l, h)
	acked := make(chan uint64, 1000)
	ended := make(chan error)
	begun := make(chan struct{})
	go func() {
		for i := range cap(acked) {
			next, rec := Messages(h, 1, 10)
			if err := l.Append(t.Context(), next, rec); err != nil {
				ended <- err
				return
			}
			h = next
			acked <- h.Durable
			if i == 4 {
				close(begun)
			}
		}
		ended <- errors.New("it went on to the end")
	}()
	<-begun
	taken, found := open(t, b, "one")
	found = attach(t, b, taken, found)
	want(t, "the zombie", <-ended, cluster.ErrMoved)
	close(acked)
	last := uint64(0)
	for seq := range acked {
		last = seq
	}
	if last > found.Durable || found.Durable > last+1 {
		t.Errorf("up to %d was acknowledged, and the one who took the session found %d", last, found.Durable)
	}
	finish(t, taken, say(t, taken, found, 1))
	if n := Checked(t, Collected(t, a)).Messages; n != found.Durable+1 {
		t.Errorf("%d messages are there, not %d", n, found.Durable+1)
	}
}

func order(t *testing.T, a, b cluster.Run) {
	const clients = 6
	for i := range clients {
		r := []cluster.Run{a, b}[i%2]
		l, h := open(t, r, fmt.Sprint("client-", i))
		finish(t, l, say(t, l, attach(t, r, l, h), i+1))
	}
	list := Collected(t, a)
	if list[0].GetRunStarted() == nil {
		t.Errorf("the first record is %v", list[0])
	}
	if !slices.IsSortedFunc(list, func(x, y *bulkheadv1.Record) int { return int(x.ElapsedNano - y.ElapsedNano) }) {
		t.Error("time goes back")
	}
	if r := Checked(t, list); r.Sessions != clients || r.Messages != clients*(clients+1)/2 {
		t.Errorf("%d messages of %d sessions", r.Messages, r.Sessions)
	}
	if fmt.Sprint(Collected(t, b)) != fmt.Sprint(list) {
		t.Error("the other supervisor reads something else")
	}
}

func ends(t *testing.T, a, b cluster.Run) {
	e := &bulkheadv1.RunEnded{Reason: bulkheadv1.RunEnd_RUN_END_DONE}
	l, h := open(t, a, "one")
	say(t, l, attach(t, a, l, h), 2)
	want(t, "the end of a run with a session", b.End(t.Context(), e), cluster.ErrOpen)
	for range 2 {
		if err := b.Seal(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	_, _, err := a.Open(t.Context(), Hello("new"))
	want(t, "a new client of a sealed run", err, cluster.ErrEnded)
	l, h = open(t, a, "one") // a known client comes back
	h = say(t, l, attach(t, a, l, h), 1)
	want(t, "the end of a run with a session", b.End(t.Context(), e), cluster.ErrOpen)
	finish(t, l, h)
	if c := census(t, b); c.Joined != 1 || c.Open != 0 || !c.Sealed || c.Ended {
		t.Errorf("the census is %+v", c)
	}
	if err := b.End(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	want(t, "a second end", a.End(t.Context(), e), cluster.ErrEnded)
	want(t, "a fact after the end", a.Note(t.Context(), shed()), cluster.ErrEnded)
	if c := census(t, a); !c.Ended {
		t.Errorf("the census is %+v", c)
	}
	list := Collected(t, a)
	if r := Checked(t, list); !r.Ended || list[len(list)-1].GetRunEnded() == nil || r.Messages != 3 {
		t.Errorf("the run ends with %v, after %d messages", list[len(list)-1], r.Messages)
	}
}

func notSealed(t *testing.T, a, b cluster.Run) {
	e := &bulkheadv1.RunEnded{Reason: bulkheadv1.RunEnd_RUN_END_DONE}
	want(t, "the end of a run without sessions", a.End(t.Context(), e), cluster.ErrOpen)
	l, h := open(t, a, "one")
	finish(t, l, h)
	want(t, "the end of a run whose sessions have ended", b.End(t.Context(), e), cluster.ErrOpen)
	if r := Checked(t, Collected(t, a)); r.Ended {
		t.Error("the run has ended")
	}
}

func twoEnds(t *testing.T, a, b cluster.Run) {
	if err := a.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	results := make(chan error, 2)
	for _, r := range []cluster.Run{a, b} {
		go func() {
			results <- r.End(t.Context(), &bulkheadv1.RunEnded{Reason: bulkheadv1.RunEnd_RUN_END_DONE})
		}()
	}
	one, other := <-results, <-results
	if one != nil {
		one, other = other, one
	}
	if one != nil || !errors.Is(other, cluster.ErrEnded) {
		t.Errorf("two ends at once: %v and %v", one, other)
	}
	Checked(t, Collected(t, a))
}

func crowd(t *testing.T, a, b cluster.Run) {
	const clients = 24
	var mu sync.Mutex
	numbers := make(map[uint32]string)
	var all sync.WaitGroup
	for i := range clients {
		for _, r := range []cluster.Run{a, b} {
			all.Go(func() {
				client := fmt.Sprint("client-", i)
				_, h, err := r.Open(t.Context(), Hello(client))
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				if other, taken := numbers[h.Session]; taken && other != client {
					t.Errorf("session %d is of %s and of %s", h.Session, client, other)
				}
				numbers[h.Session] = client
			})
		}
	}
	all.Wait()
	if c := census(t, a); c.Joined != clients || len(numbers) != clients {
		t.Errorf("%d clients have %d numbers; the census is %+v", clients, len(numbers), c)
	}
	if n := Checked(t, Collected(t, b)).Sessions; n != clients {
		t.Errorf("%d sessions are there", n)
	}
}

func connections(t *testing.T, a, b cluster.Run) {
	seen := make(map[uint64]bool)
	last := make(map[uint32]uint64)
	for range 100 {
		for _, r := range []cluster.Run{a, b} {
			id := r.Connection()
			supervisor, counter := cluster.ConnectionOf(id)
			if seen[id] || id == 0 || supervisor != r.Supervisor() || counter <= last[supervisor] {
				t.Fatalf("connection %x of supervisor %d", id, r.Supervisor())
			}
			seen[id], last[supervisor] = true, counter
		}
	}
}

func shed() *bulkheadv1.Record {
	return &bulkheadv1.Record{Entry: &bulkheadv1.Record_ConnectionsShed{
		ConnectionsShed: &bulkheadv1.ConnectionsShed{Count: 3, Reason: "overload"}}}
}

func notes(t *testing.T, a, b cluster.Run) {
	for _, r := range []cluster.Run{a, b} {
		if err := r.Note(t.Context(), shed(), shed()); err != nil {
			t.Fatal(err)
		}
	}
	_, rec := Messages(cluster.Head{Session: 1}, 1, 1)
	want(t, "messages as a fact", a.Note(t.Context(), rec), cluster.ErrRefused)
	found := 0
	for _, rec := range Collected(t, b) {
		if bytes.Equal([]byte(rec.GetConnectionsShed().GetReason()), []byte("overload")) {
			found++
		}
	}
	if found != 4 {
		t.Errorf("%d facts are there", found)
	}
}
