package stories

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"bulkhead/internal/testing/folded"
	"bulkhead/internal/testing/story"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/render"
)

// gatheredStage returns a run of two clients whose second stage begins together, with what was decided
// on that, if anything, before their first messages.
func gatheredStage(t *testing.T, decided *bulkheadv1.StageGathered) []*bulkheadv1.Record {
	t.Helper()
	records := story.Staged(t)
	last := 0
	for i, r := range records {
		if o := r.GetSessionOpened(); o != nil {
			s := o.GetHello().GetWorkload().GetStages()[1]
			s.Together, s.TogetherTimeoutNano = true, 5e9
			o.Hello.ProtocolMinor = 6
			last = i
		}
	}
	if decided == nil {
		return records
	}
	return slices.Insert(records, last+1, &bulkheadv1.Record{TimeUnixNano: records[last].TimeUnixNano,
		ElapsedNano: records[last].ElapsedNano, Entry: &bulkheadv1.Record_StageGathered{StageGathered: decided}})
}

// Every format tells how a stage was gathered, and for whom was waited in vain; that is a finding.
func TestAStageThatWasGathered(t *testing.T) {
	short := &bulkheadv1.StageGathered{Stage: story.Steps()[1].Stage.GetName(), Ready: []uint32{1}, WaitedNano: 5e9,
		How: bulkheadv1.GatherEnd_GATHER_END_SHORT, BeginElapsedNano: 1, Missing: []*bulkheadv1.GatherMissing{
			{Name: "bravo", Session: 2, State: bulkheadv1.GatherState_GATHER_STATE_NOT_READY}}}
	r := folded.All(t, gatheredStage(t, short))
	g := r.Stages[1].Gather
	if g == nil || g.End != report.GatherShort || g.Ready != 1 || len(g.Missing) != 1 || g.WaitedNano != 5e9 ||
		g.TimeoutNano != 5e9 || !slices.Equal(g.Alone, []string{"alpha", "bravo"}) || r.Stages[0].Gather != nil {
		t.Fatalf("gathered as %+v", g)
	}
	if !slices.ContainsFunc(r.Findings, func(f report.Finding) bool {
		return f.Kind == report.FindingStages && strings.Contains(f.Text, "timed out") &&
			strings.Contains(f.Evidence, "bravo (connected, not ready)")
	}) {
		t.Errorf("findings: %+v", r.Findings)
	}
	var text, junit, markdown bytes.Buffer
	for name, err := range map[string]error{"text": render.Text(r, &text), "junit": render.JUnit(r, &junit, nil),
		"markdown": render.Markdown(r, &markdown, nil)} {
		if err != nil {
			t.Fatal(name, err)
		}
	}
	for name, of := range map[string]string{"text": text.String(), "junit": junit.String(),
		"markdown": markdown.String()} {
		if got := strings.Join(strings.Fields(of), " "); !strings.Contains(got, "1 client had come to it after 5s") {
			t.Errorf("%s does not tell who had come:\n%s", name, of)
		}
	}
}

// While nothing is decided, the report of a run that goes on says who waits for whom.
func TestAStageThatIsWaitedFor(t *testing.T) {
	records := gatheredStage(t, nil)
	if g := folded.All(t, records).Stages[1].Gather; g == nil || g.End != "" || len(g.Awaited) > 0 {
		t.Errorf("gathered as %+v; want nothing decided, and nobody awaited any more", g)
	}
}
