package stories

import (
	"strings"
	"testing"
	"time"

	"bulkhead/internal/testing/folded"
	"bulkhead/internal/testing/story"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// A connection's cause that names the handler needs no judgement that does.
func TestTextsSayTheHandlerOnce(t *testing.T) {
	s := story.New(t, 1)
	a := s.Arrive("a", 1, 1, 4001, 0)
	a.At(time.Second).DetachAs(story.ByHandler, 1, "handler hung: deaf; killed")
	a.AttachAfter(story.Network, 0, "", 2, 4002)
	a.At(2*time.Second).DetachAs(story.ByHandler, 2, "it lied")
	a.End(bulkheadv1.Outcome_OUTCOME_LOST, "gone")
	text, _ := rendered(t, folded.All(t, s.Records))
	for _, want := range []string{" away: handler hung: deaf; killed\n", " away (handler): it lied\n"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}
