package report

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"bulkhead/internal/latency"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

func TestRolloversBeyondTheLimitAreCountedAndStated(t *testing.T) {
	s := newStory(t, 1)
	a := s.arrive("a", 1, 1, 4001, 0)
	const more = 25
	for first := 0; first < maxRollovers+more; first += 401 {
		var list []*bulkheadv1.Message
		for i := first; i < min(first+401, maxRollovers+more); i++ {
			list = append(list, a.rollover(0, uint64(i), false))
		}
		a.say(list...)
	}
	c := foldAll(t, s.records).Clients[0]
	r := a.onlyConsumer(t).Rollovers
	if r.Files != maxRollovers+more || len(r.List) != maxRollovers || r.LeftOut != more || c.RolloversLeftOut != more {
		t.Errorf("%d files, %d listed, %d and %d left out", r.Files, len(r.List), r.LeftOut, c.RolloversLeftOut)
	}
	if first, last := r.List[0].FileIndex, r.List[maxRollovers-1].FileIndex; first != more || last != maxRollovers+more-1 {
		t.Errorf("files %d … %d are listed, want the newest", first, last)
	}
	if r.Write.Count != r.Files {
		t.Errorf("write times of %d files, want all %d", r.Write.Count, r.Files)
	}
}

func TestConnectionsBeyondTheLimit(t *testing.T) {
	s := newStory(t, 1)
	a := s.arrive("a", 1, 1, 4001, 0)
	for i := range uint64(maxConnections + 4) {
		s.at(time.Duration(i+1) * time.Second)
		a.detach(i+1, "cut")
		a.attach(i+2, 4002)
	}
	c := foldAll(t, s.records).Clients[0]
	if c.Resumes != maxConnections+4 || len(c.Connections) != maxConnections || c.ConnectionsLeftOut != 5 {
		t.Errorf("%d resumes, %d listed, %d left out", c.Resumes, len(c.Connections), c.ConnectionsLeftOut)
	}
	if last := c.Connections[maxConnections-1]; last.ID != maxConnections+5 || last.DetachedAt != 0 {
		t.Errorf("the last connection is %+v", last)
	}
}

func TestProcessesBeyondTheLimit(t *testing.T) {
	s := newStory(t, 1)
	a := s.arrive("a", 1, 1, 4001, 0)
	for i := range uint32(maxProcesses + 3) {
		a.say(a.sample(i, 1))
	}
	c := foldAll(t, s.records).Clients[0]
	if len(c.Processes) != maxProcesses || c.Malformed != 3 || c.MalformedWhy[0].Text != badCrowd {
		t.Errorf("%d processes, malformed %v", len(c.Processes), c.MalformedWhy)
	}
	render(t, foldAll(t, s.records))
}

func TestRunBeyondItsLimits(t *testing.T) {
	s := newStory(t, 0)
	for i := range uint64(maxRejections + 2) {
		s.rejected(i+1, 1, "", fmt.Sprint(i), "why")
		s.handlerExited(i+1, 0, 1, time.Second, cleanExit(), "")
	}
	r := foldAll(t, s.records)
	if len(r.Rejections) != maxRejections || r.RejectionsLeftOut != 2 || len(r.Handlers) != maxHandlers || r.HandlersLeftOut != 2 {
		t.Errorf("%d rejections and %d more, %d handlers and %d more",
			len(r.Rejections), r.RejectionsLeftOut, len(r.Handlers), r.HandlersLeftOut)
	}
	want := fmt.Sprintf("%d more connections of named clients were rejected", maxRejections+2-maxRefused)
	if got := r.Verdict.Reasons[len(r.Verdict.Reasons)-1]; got != want {
		t.Errorf("last reason %q, want %q", got, want)
	}
	render(t, r)
}

// Two exits of one connection are two handlers: nothing overwrites what was said.
func TestEveryHandlerExitIsListed(t *testing.T) {
	s := newStory(t, 1)
	s.arrive("a", 1, 1, 4001, 0)
	s.handlerExited(1, 1, 4001, time.Second, cleanExit(), "")
	s.handlerExited(1, 1, 4002, time.Second, killedExit(), "")
	list := foldAll(t, s.records).Handlers
	if len(list) != 2 || list[0].Pid != 4001 || list[1].Pid != 4002 || list[1].Client != "a" {
		t.Errorf("handlers %+v", list)
	}
}

func TestMissReasonsBeyondTheLimit(t *testing.T) {
	s := newStory(t, 1)
	a := s.arrive("a", 1, 1, 4001, 0)
	for i := range uint64(maxMissReasons + 7) {
		a.say(&bulkheadv1.Message{Fact: &bulkheadv1.Message_Heartbeat{Heartbeat: &bulkheadv1.Heartbeat{Round: i + 1,
			Misses: []*bulkheadv1.HeartbeatMiss{{Process: a.process(kindConsumer, 0), Reason: fmt.Sprint("reason ", i)}}}}})
	}
	h := a.onlyConsumer(t).Heartbeats
	last := h.MissedWhy[len(h.MissedWhy)-1]
	if len(h.MissedWhy) != maxMissReasons+1 || last.Text != "other reasons" || last.Count != 7 || h.Missed != maxMissReasons+7 {
		t.Errorf("missed %d: %v", h.Missed, h.MissedWhy)
	}
}

// A client that outgrows its room goes on with compact histograms, of which everything but
// the percentiles is as exact as before; what does not fit into that either is counted.
func TestClientsOutgrowTheirRoom(t *testing.T) {
	crowded := rooms{clients: maxFineBuckets / 100}
	s := &sessionState{room: room{rooms: &crowded}, processes: make(map[processKey][]*processState)}
	p := new(processState)
	s.processes[processKey{}] = []*processState{p}
	var samples []time.Duration
	random := rand.New(rand.NewPCG(4, 4))
	for range 2000 {
		var h latency.Histogram
		d := time.Duration(1000 + random.IntN(300_000))
		h.Add(d, 1)
		samples = append(samples, d)
		p.latencies[phaseWrite].merge(&h, &s.room)
		s.latencies[phaseWrite].mergeOwn(&h, phaseWrite, &s.room)
		p.create.add(int64(d), &s.room)
		s.tighten()
	}
	slices.Sort(samples)
	if !s.room.compact || p.latencies[phaseWrite].fine.Buckets() != 0 {
		t.Fatal("the client is not compact")
	}
	own := s.latencies[phaseWrite].latency()
	if own.Count != 2000 || own.LeftOut != 0 || own.MinNano != int64(samples[0]) || own.MaxNano != int64(samples[1999]) {
		t.Errorf("the client's own: %+v", own)
	}
	if got, want := float64(own.P99Nano), float64(samples[1979]); got < want || got > 1.008*want {
		t.Errorf("p99 is %v, want %v or up to 0.8 %% more", got, want)
	}
	if l := latencyOf(&crowded.union[phaseWrite]); l.Count != 2000 || float64(l.P99Nano) > 1.001*float64(samples[1979]) {
		t.Errorf("the union is %+v, want full precision", l)
	}
	for name, d := range map[string]*distribution{"writes": &p.latencies[phaseWrite], "creates": &p.create} {
		if l := d.latency(); l.LeftOut == 0 || l.Count+l.LeftOut != 2000 {
			t.Errorf("%s: %d counted, %d left out; want both, and 2000 together", name, l.Count, l.LeftOut)
		}
	}
}

// The more clients, the fewer rollovers of each are listed, whenever they came.
func TestRolloversAreSharedAmongClients(t *testing.T) {
	const clients, files = 40, maxRunRollovers/40 + 30
	tell := func(late bool) *Report {
		s := newStory(t, clients)
		var actors []*actor
		for n := uint32(1); n <= clients; n++ {
			a := s.arrive(fmt.Sprint(n), n, uint64(n), int32(n), 0)
			actors = append(actors, a)
			if !late {
				sayFiles(a, files)
			}
		}
		if late {
			for _, a := range actors {
				sayFiles(a, files)
			}
		}
		return foldAll(t, s.records)
	}
	early, late := tell(false), tell(true)
	for i := range early.Clients {
		a, b := early.Clients[i].Processes[0].Rollovers, late.Clients[i].Processes[0].Rollovers
		if len(a.List) != maxRunRollovers/clients || a.LeftOut != 30 || a.List[0].FileIndex != 30 || a.Files != files {
			t.Fatalf("client %d: %d listed from file %d, %d left out", i, len(a.List), a.List[0].FileIndex, a.LeftOut)
		}
		if diff := cmp.Diff(a, b, cmpopts.IgnoreFields(Rollover{}, "CreateNano", "WriteNano", "SyncNano", "CloseNano")); diff != "" {
			t.Fatalf("client %d: it matters when the others came:\n%s", i, diff)
		}
	}
}

func sayFiles(a *actor, files uint64) {
	var list []*bulkheadv1.Message
	for i := range files {
		list = append(list, a.rollover(0, i, false))
	}
	a.say(list...)
}

func TestRecentIsCutToTheNewest(t *testing.T) {
	r := recent[int]{limit: 5}
	for i := 1; i <= 7; i++ {
		r.add(i)
	}
	r.cut(9) // never grows
	r.cut(3)
	if got := fmt.Sprint(r.list(), r.leftOut); got != "[5 6 7] 4" {
		t.Errorf("kept %s", got)
	}
	r.add(8)
	if got := fmt.Sprint(r.list(), r.leftOut); got != "[6 7 8] 5" {
		t.Errorf("then kept %s", got)
	}
}

func TestRecentKeepsTheNewest(t *testing.T) {
	r := recent[int]{limit: 3}
	if got := r.list(); got == nil || len(got) != 0 {
		t.Errorf("empty list is %v", got)
	}
	for i := 1; i <= 8; i++ {
		r.add(i)
	}
	if got := fmt.Sprint(r.list(), r.leftOut); got != "[6 7 8] 5" {
		t.Errorf("kept %s", got)
	}
	odd := r.find(func(n *int) bool { return *n%2 == 1 })
	if odd == nil || *odd != 7 || r.find(func(n *int) bool { return *n > 8 }) != nil {
		t.Errorf("found %v", odd)
	}
}
