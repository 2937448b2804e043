package fold

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"bulkhead/internal/latency"
	"bulkhead/internal/testing/story"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
)

// What a client lists is bounded, alone and among many, and all of it is counted; the
// first ones stay.
func TestCorruptionsAreBounded(t *testing.T) {
	const more = 50
	r := folded(t, story.CorruptRun(t, func(a *story.Actor) {
		for n := range report.MaxCorruptions + more {
			a.Say(a.Corruption(0, story.Place(n)))
		}
	}))
	c := &r.Clients[0]
	if len(c.Corruptions) != report.MaxCorruptions || c.CorruptionsLeftOut != more ||
		c.Corruptions[0].Path != "/mnt/f0" || c.CorruptBlocks != report.MaxCorruptions+more {
		t.Errorf("%d listed from %s, %d left out, %d blocks", len(c.Corruptions), c.Corruptions[0].Path,
			c.CorruptionsLeftOut, c.CorruptBlocks)
	}
	if want := "1 050 corrupt blocks in 1 000 files or more; "; !strings.HasPrefix(r.Verdict.Headline, want) {
		t.Errorf("headline %q, want %q", r.Verdict.Headline, want)
	}
	if n := len(r.Series.Events); n != report.MaxCorruptions {
		t.Errorf("%d events, want one for each file", n)
	}

	crowded := rooms{clients: report.MaxRunCorruptions / 10}
	s := &sessionState{room: room{rooms: &crowded}}
	s.corruptions.limit = report.MaxCorruptions
	for n := range 25 {
		s.corruptions.add(foundCorruption{at: report.Stamp(n)})
	}
	s.tighten()
	if list := s.corruptions; len(list.items) != 10 || list.leftOut != 15 || list.items[9].at != 9 {
		t.Errorf("among many: %d listed, %d left out", len(list.items), list.leftOut)
	}
}

// A client that outgrows its room continues with compact histograms, of which everything but
// the percentiles is as exact as before; what does not fit into that either is counted.
func TestClientsOutgrowTheirRoom(t *testing.T) {
	crowded := rooms{clients: report.MaxFineBuckets / 100}
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
		p.latencies[report.PhaseWrite].merge(&h, &s.room)
		s.latencies[report.PhaseWrite].mergeOwn(&h, report.PhaseWrite, &s.room)
		p.create.add(int64(d), &s.room)
		s.tighten()
	}
	slices.Sort(samples)
	if !s.room.compact || p.latencies[report.PhaseWrite].fine.Buckets() != 0 {
		t.Fatal("the client is not compact")
	}
	own := s.latencies[report.PhaseWrite].latency()
	if own.Count != 2000 || own.LeftOut != 0 || own.MinNano != int64(samples[0]) ||
		own.MaxNano != int64(samples[1999]) {
		t.Errorf("the client's own: %+v", own)
	}
	if got, want := float64(own.P99Nano), float64(samples[1979]); got < want || got > 1.008*want {
		t.Errorf("p99 is %v, want %v or up to 0.8 %% more", got, want)
	}
	if l := latencyOf(&crowded.union[report.PhaseWrite]); l.Count != 2000 ||
		float64(l.P99Nano) > 1.001*float64(samples[1979]) {
		t.Errorf("the union is %+v, want full precision", l)
	}
	for name, d := range map[string]*distribution{"writes": &p.latencies[report.PhaseWrite], "creates": &p.create} {
		if l := d.latency(); l.LeftOut == 0 || l.Count+l.LeftOut != 2000 {
			t.Errorf("%s: %d counted, %d left out; want both, and 2000 together", name, l.Count, l.LeftOut)
		}
	}
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

// What makes clients compact does not depend on what of their work it is about.
func TestPhasesOfCompactClients(t *testing.T) {
	crowded := rooms{clients: report.MaxFineBuckets / 100}
	s := newSessionState(&bulkheadv1.SessionOpened{}, 1, &crowded, 0)
	a := story.New(t, 1).Arrive("a", 1, 1, 4001, 0)
	var tl timeline
	tl.begin(1)
	s.line = tl.newLine(0)
	for n := range 40 {
		p := a.Phased(0, 30, time.Millisecond)
		p.Read, p.ReadResponse = a.Sampled(20, 2*time.Millisecond), a.Sampled(20, 3*time.Millisecond)
		s.foldProgress(a.Process(story.KindConsumer, 0), p, report.Stamp(time.Duration(n+2)*time.Second))
		s.tighten()
	}
	if !s.room.compact {
		t.Fatal("the client is not compact")
	}
	for of := range report.PhaseCount {
		if own, union := s.latencies[of].latency(), latencyOf(&crowded.union[of]); own.Count == 0 ||
			own.Count != union.Count || own.MaxNano != union.MaxNano {
			t.Errorf("%s: own %+v, union %+v", report.PhaseNames[of], own, union)
		}
	}
}

// Neither names nor reasons that strangers choose grow the report without bound, and one
// kind takes no place of the other.
func TestRejectionGroupsAreBounded(t *testing.T) {
	var g rejectionGroups
	for i := range 3 * report.MaxRefused {
		g.add(&report.Rejection{Peer: fmt.Sprintf("192.0.2.%d:1", i), Reason: fmt.Sprint("garbage ", i)})
		g.add(&report.Rejection{Peer: fmt.Sprintf("192.0.2.%d:1", i), Reason: "scan"})
		g.add(&report.Rejection{Peer: "pipe", ClientName: fmt.Sprint("name ", i), Reason: "wrong token"})
	}
	list := g.list()
	var sum, nameless uint64
	for _, group := range list {
		sum += group.Count
		if group.ClientName == "" {
			nameless++
		}
		if group.Reason == "scan" && (group.Addresses != report.MaxRejectionAddresses ||
			group.Count != 3*report.MaxRefused) {
			t.Errorf("%+v", group)
		}
	}
	last := list[report.MaxRefused]
	if sum != 9*report.MaxRefused || nameless != report.MaxRejectionReasons+1 ||
		len(list) != report.MaxRefused+1+report.MaxRejectionReasons+1 ||
		last.ClientName != otherNames || last.Reason != otherRejections || last.Count != 2*report.MaxRefused {
		t.Errorf("%d groups, %d nameless, of %d connections; the last of the named is %+v", len(list), nameless, sum,
			last)
	}
}
