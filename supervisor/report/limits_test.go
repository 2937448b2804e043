package report

import (
	"fmt"
	"testing"
	"time"

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

// Without room for more buckets a process's histogram stops, and says so.
func TestDistributionKeepsToItsRoom(t *testing.T) {
	var d distribution
	r := room{left: 3}
	for i := range 5 {
		d.add(int64(1000*(i+1)), &r)
	}
	var two latency.Histogram
	two.Add(1000, 4)
	two.Add(2000, 4)
	d.merge(&two, &r)
	if l := d.latency(); l.Count != 3 || l.LeftOut != 2+8 || r.left != 0 {
		t.Errorf("count %d, left out %d, room %d", l.Count, l.LeftOut, r.left)
	}
	roomy := room{left: 10}
	d.merge(&two, &roomy)
	if l := d.latency(); l.Count != 11 || roomy.left != 10 {
		t.Errorf("count %d, room %d: buckets that are there cost nothing", l.Count, roomy.left)
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
