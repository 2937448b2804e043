package stories

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"bulkhead/internal/testing/folded"
	"bulkhead/internal/testing/story"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
)

func TestRolloversBeyondTheLimitAreCountedAndStated(t *testing.T) {
	s := story.New(t, 1)
	a := s.Arrive("a", 1, 1, 4001, 0)
	const more = 25
	for first := 0; first < report.MaxRollovers+more; first += 401 {
		var list []*bulkheadv1.Message
		for i := first; i < min(first+401, report.MaxRollovers+more); i++ {
			list = append(list, a.Rollover(0, uint64(i), false))
		}
		a.Say(list...)
	}
	c := folded.All(t, s.Records).Clients[0]
	r := onlyConsumer(a, t).Rollovers
	if r.Files != report.MaxRollovers+more || len(r.List) != report.MaxRollovers || r.LeftOut != more ||
		c.RolloversLeftOut != more {
		t.Errorf("%d files, %d listed, %d and %d left out", r.Files, len(r.List), r.LeftOut, c.RolloversLeftOut)
	}
	if first, last := r.List[0].FileIndex, r.List[report.MaxRollovers-1].FileIndex; first != more ||
		last != report.MaxRollovers+more-1 {
		t.Errorf("files %d … %d are listed, want the newest", first, last)
	}
	if r.Write.Count != r.Files {
		t.Errorf("write times of %d files, want all %d", r.Write.Count, r.Files)
	}
}

func TestConnectionsBeyondTheLimit(t *testing.T) {
	s := story.New(t, 1)
	a := s.Arrive("a", 1, 1, 4001, 0)
	for i := range uint64(report.MaxConnections + 4) {
		s.At(time.Duration(i+1) * time.Second)
		a.Detach(i+1, "cut")
		a.Attach(i+2, 4002)
	}
	c := folded.All(t, s.Records).Clients[0]
	if c.Resumes != report.MaxConnections+4 || len(c.Connections) != report.MaxConnections ||
		c.ConnectionsLeftOut != 5 {
		t.Errorf("%d resumes, %d listed, %d left out", c.Resumes, len(c.Connections), c.ConnectionsLeftOut)
	}
	if last := c.Connections[report.MaxConnections-1]; last.ID != report.MaxConnections+5 || last.DetachedAt != 0 {
		t.Errorf("the last connection is %+v", last)
	}
}

func TestProcessesBeyondTheLimit(t *testing.T) {
	s := story.New(t, 1)
	a := s.Arrive("a", 1, 1, 4001, 0)
	for i := range uint32(report.MaxProcesses + 3) {
		a.Say(a.Sample(i, 1))
	}
	c := folded.All(t, s.Records).Clients[0]
	if len(c.Processes) != report.MaxProcesses || c.Malformed != 3 || c.MalformedWhy[0].Reason != report.BadCrowd {
		t.Errorf("%d processes, malformed %v", len(c.Processes), c.MalformedWhy)
	}
	rendered(t, folded.All(t, s.Records))
}

func TestRunBeyondItsLimits(t *testing.T) {
	s := story.New(t, 0)
	for i := range uint64(report.MaxRejections + 2) {
		s.Rejected(i+1, 1, "", fmt.Sprint(i), "why")
		s.HandlerExited(i+1, 0, 1, time.Second, story.CleanExit(), "")
	}
	r := folded.All(t, s.Records)
	if len(r.Rejections) != report.MaxRejections || r.RejectionsLeftOut != 2 || len(r.Handlers) != report.MaxHandlers ||
		r.HandlersLeftOut != 2 {
		t.Errorf("%d rejections and %d more, %d handlers and %d more",
			len(r.Rejections), r.RejectionsLeftOut, len(r.Handlers), r.HandlersLeftOut)
	}
	want := fmt.Sprintf("%d more connections of named clients were rejected", report.MaxRejections+2-report.MaxRefused)
	if got := r.Verdict.Reasons[len(r.Verdict.Reasons)-1]; got != want {
		t.Errorf("last reason %q, want %q", got, want)
	}
	rendered(t, r)
}

// Two exits of one connection are two handlers: nothing overwrites what was said.
func TestEveryHandlerExitIsListed(t *testing.T) {
	s := story.New(t, 1)
	s.Arrive("a", 1, 1, 4001, 0)
	s.HandlerExited(1, 1, 4001, time.Second, story.CleanExit(), "")
	s.HandlerExited(1, 1, 4002, time.Second, story.KilledExit(), "")
	list := folded.All(t, s.Records).Handlers
	if len(list) != 2 || list[0].Pid != 4001 || list[1].Pid != 4002 || list[1].Client != "a" {
		t.Errorf("handlers %+v", list)
	}
}

func TestMissReasonsBeyondTheLimit(t *testing.T) {
	s := story.New(t, 1)
	a := s.Arrive("a", 1, 1, 4001, 0)
	for i := range uint64(report.MaxMissReasons + 7) {
		a.Say(&bulkheadv1.Message{Fact: &bulkheadv1.Message_Heartbeat{Heartbeat: &bulkheadv1.Heartbeat{Round: i + 1,
			Misses: []*bulkheadv1.HeartbeatMiss{
				{Process: a.Process(story.KindConsumer, 0), Reason: fmt.Sprint("reason ", i)}}}}})
	}
	h := onlyConsumer(a, t).Heartbeats
	last := h.MissedWhy[len(h.MissedWhy)-1]
	if len(h.MissedWhy) != report.MaxMissReasons+1 || last.Text != "other reasons" || last.Count != 7 ||
		h.Missed != report.MaxMissReasons+7 {
		t.Errorf("missed %d: %v", h.Missed, h.MissedWhy)
	}
}

// The more clients, the fewer rollovers of each are listed, whenever they came.
func TestRolloversAreSharedAmongClients(t *testing.T) {
	const clients, files = 40, report.MaxRunRollovers/40 + 30
	tell := func(late bool) *report.Report {
		s := story.New(t, clients)
		var actors []*story.Actor
		for n := uint32(1); n <= clients; n++ {
			a := s.Arrive(fmt.Sprint(n), n, uint64(n), int32(n), 0)
			actors = append(actors, a)
			if !late {
				story.SayFiles(a, files)
			}
		}
		if late {
			for _, a := range actors {
				story.SayFiles(a, files)
			}
		}
		return folded.All(t, s.Records)
	}
	early, late := tell(false), tell(true)
	for i := range early.Clients {
		a, b := early.Clients[i].Processes[0].Rollovers, late.Clients[i].Processes[0].Rollovers
		if len(a.List) != report.MaxRunRollovers/clients || a.LeftOut != 30 || a.List[0].FileIndex != 30 ||
			a.Files != files {
			t.Fatalf("client %d: %d listed from file %d, %d left out", i, len(a.List), a.List[0].FileIndex, a.LeftOut)
		}
		if diff := cmp.Diff(a, b, cmpopts.IgnoreFields(report.Rollover{}, "CreateNano", "WriteNano", "SyncNano",
			"CloseNano")); diff != "" {
			t.Fatalf("client %d: it matters when the others came:\n%s", i, diff)
		}
	}
}
