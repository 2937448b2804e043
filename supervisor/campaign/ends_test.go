package campaign

import (
	"context"
	"testing"
	"time"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/fleet"
)

// obedient is an agent whose client runs until it is asked to end.
type obedient struct {
	f    *fleet.Fleet
	asks chan []byte // has room
}

func (o *obedient) Put(f *bulkheadv1.SupervisorFrame) {
	if stop := f.GetStopTask(); stop != nil {
		o.asks <- stop.GetTaskId()
	}
}
func (o *obedient) Replace() {}

func (o *obedient) says(state bulkheadv1.TaskState) {
	o.f.Report("1", o, &bulkheadv1.AgentReport{Tasks: []*bulkheadv1.TaskReport{{TaskId: []byte("t"), State: state}}})
}

// As a run is over its agents are just connecting again: a client that has not come to it is asked to end as
// soon as its agent is there, or the next run would find the agent busy.
func TestAClientThatNeverCameIsEndedWhenItsAgentIsBack(t *testing.T) {
	f := fleet.New(time.Now)
	hello := &bulkheadv1.Hello{ClientId: []byte("1"), Agent: &bulkheadv1.Agent{Name: "a"}}
	first, second := &obedient{f, make(chan []byte, 9)}, &obedient{f, make(chan []byte, 9)}
	join := func(o *obedient) {
		if err := f.Join(hello, "p", nil, o); err != nil {
			t.Fatal(err)
		}
		o.says(bulkheadv1.TaskState_TASK_STATE_RUNNING)
	}
	join(first)
	agents, _ := f.Agents()
	shares := []share{{agent: agents[0], task: &bulkheadv1.Task{TaskId: []byte("t")}, sent: time.Now(), spent: true}}
	f.Leave("1", first)
	r := runner{Supervisor: Supervisor{Fleet: f}, tell: func(*bulkheadv1.JobEvent) {}}
	ended := make(chan error, 1)
	go func() { ended <- r.awaitEnds(context.Background(), shares, false) }() // ends when the client has
	join(second)
	late := time.NewTimer(endPatience)
	defer late.Stop()
	select {
	case id := <-second.asks:
		if string(id) != "t" {
			t.Errorf("asked to end is task %q", id)
		}
	case <-late.C:
		t.Error("the client is not asked to end")
	}
	second.says(bulkheadv1.TaskState_TASK_STATE_ENDED)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if n := len(first.asks); n > 0 {
		t.Errorf("asked %d times over a connection that was gone", n)
	}
}
