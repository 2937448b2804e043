package stories

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"bulkhead/internal/testing/folded"
	"bulkhead/internal/testing/story"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
)

// What no honest client says of stages changes nothing of the others' figures, and is said.
func TestHostileStages(t *testing.T) {
	s, steps := story.New(t, 2), story.Steps()
	a := s.ArriveStaged("alpha", 1, 0, steps)
	end := story.Stages(steps, 1, 0, a)
	b := s.Arrive("bravo", 2, 2, 4002, 0) // without stages
	c := s.ArriveStaged("charlie", 3, 0, steps[:3])
	say := func(a *story.Actor, stage uint32, warm bool) {
		p := a.Phased(0, 5, 0)
		p.Stage, p.Warmup = stage, warm
		a.SayProgress(0, p)
	}
	s.At(time.Duration(end) * time.Second)
	say(b, 1, false)
	say(b, 1<<31, false)
	b.Say(b.StageBegun(0, 7, 1))
	for range 3 {
		c.Say(c.StageBegun(0, 2, 1<<40), c.StageBegun(0, 2, 1<<40))
	}
	c.Say(c.StageBegun(1, 2, math.MaxUint64)) // which is malformed
	nan := c.StageBegun(1, 2, 0)
	nan.GetStageBegun().RateChunksPerSecond = math.NaN()
	c.Say(nan, c.StageBegun(0, 1, 1), c.StageBegun(0, 0, 1), c.StageBegun(0, 65, 1))
	for range 9 {
		c.Say(c.StageBegun(0, 3, 7), c.StageBegun(1, 3, 9))
	}
	say(c, 4, false)
	say(c, 1, false) // backwards; and not said to be a warm-up, although it is
	say(c, 0, false)
	r := folded.Once(t, s.Records)
	kinds := func(c *report.Client) map[string]uint64 {
		found := make(map[string]uint64)
		for _, one := range c.Contradictions {
			found[one.Kind] = one.Count
		}
		return found
	}
	if got := kinds(&r.Clients[1]); got[report.StrangeStage] != 3 || got[report.StageBackwards] != 0 {
		t.Errorf("bravo: %v", got)
	}
	if got := kinds(&r.Clients[2]); got[report.StrangeStage] != 4 || got[report.StageBackwards] != 2 {
		t.Errorf("charlie: %v", got)
	}
	if r.Clients[2].Malformed != 1 || len(kinds(&r.Clients[0])) > 0 {
		t.Errorf("%d malformed; alpha %v", r.Clients[2].Malformed, kinds(&r.Clients[0]))
	}
	peak := r.Stages[1]
	if len(r.Stages) != 8 || peak.OfferedBytesPerSecond != 0 || peak.Consumers != 4 || peak.Clients != 2 {
		t.Errorf("%d stages; %+v", len(r.Stages), peak)
	}
	if curve := r.Stages[2]; curve.OfferedBytesPerSecond != 2*10*story.Mib+16 || curve.Consumers != 4 {
		t.Errorf("%d B/s offered by %d consumers", curve.OfferedBytesPerSecond, curve.Consumers)
	}
	if warm := r.Clients[2].WarmUp; warm == nil || warm.Chunks < 5 {
		t.Errorf("what was said in the stage that is not reported is judged: %+v", warm)
	}
	rendered(t, r)
}

// However many stages clients declare, and whatever they call them, the report has room for a few, and
// says what it leaves out.
func TestManyStages(t *testing.T) {
	clients := 40
	r := greet(t, clients, func(i int) *bulkheadv1.Hello {
		w := new(bulkheadv1.Workload)
		for k := range 200 {
			w.Stages = append(w.Stages, &bulkheadv1.Stage{Name: fmt.Sprintf("\x1b[2J%d of %d", k, i),
				RatePercent: math.Inf(1), RateOf: uint32(k + 5), DurationNano: -1, Curve: math.MaxUint32})
		}
		w.Stages[1].Name = w.Stages[0].Name
		w.Stages[2].Name = ""
		h := smallestHello(i)
		h.Workload = w
		return h
	})
	left := uint64(clients*report.MaxStages - report.MaxRunStages)
	if len(r.Stages) != report.MaxRunStages || r.StagesLeftOut < left-uint64(clients) ||
		len(r.Curves) > report.MaxRunStages {
		t.Errorf("%d stages, %d left out, want about %d; %d curves", len(r.Stages), r.StagesLeftOut, left,
			len(r.Curves))
	}
	if s := r.Clients[3].Workload.Stages; len(s) != report.MaxStages || s[5].RatePercent != 0 || s[5].RateOf != "" ||
		s[5].DurationNano != 0 || s[2].Name != "stage 3" {
		t.Errorf("%d stages of a client: %+v", len(s), s[5])
	}
	if !strings.Contains(strings.Join(r.Verdict.Warnings, "\n"), "stages are left out") {
		t.Errorf("warned of %q", r.Verdict.Warnings)
	}
	text, _ := rendered(t, r)
	checkPrintable(t, text)
	c := &r.Clients[0]
	c.CutDeclared(c.DeclaredBytes() - 1)
	if len(c.Workload.Stages) != report.MaxStages-1 || c.Workload.StagesLeftOut != 1 {
		t.Errorf("cut to %d stages, %d left out", len(c.Workload.Stages), c.Workload.StagesLeftOut)
	}
}
