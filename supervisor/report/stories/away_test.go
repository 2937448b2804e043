package stories

import (
	"strings"
	"testing"
	"time"

	"bulkhead/internal/testing/folded"
	"bulkhead/internal/testing/story"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
)

// A client may give a hung handler up and be back before the supervisor kills it.
func TestAClientThatLeavesAHungHandlerFirst(t *testing.T) {
	for _, late := range []bool{false, true} {
		s := story.New(t, 1)
		a := s.Arrive("a", 1, 1, 4001, 0)
		a.Start()
		exit := func() {
			s.Handler(1, 1, 4001, bulkheadv1.ExitClass_EXIT_CLASS_HANG,
				"hung: it has answered nothing for 6.4s; killed", false)
		}
		s.At(6 * time.Second)
		if !late {
			exit()
		}
		a.DetachAs(story.Replaced, 1, "the client has a newer connection")
		a.AttachAfter(story.Network, 0, "no sign of life from the supervisor's side for 4s", 2, 4002)
		s.At(7 * time.Second)
		if late {
			exit()
		}
		r := folded.All(t, s.Records)
		if got := r.Clients[0].Connections[0].AwayWhy; got != report.AwayHandler {
			t.Errorf("its end late: %v: %q, want %q", late, got, report.AwayHandler)
		}
		if text := strings.Join(r.Verdict.Warnings, "\n"); strings.Contains(text, "network was gone") ||
			!strings.Contains(text, "handler 4001 (a) hung: it has answered nothing for 6.4s; killed") {
			t.Errorf("its end late: %v: warnings %s", late, text)
		}
	}
}
