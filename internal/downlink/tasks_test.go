package downlink_test

import (
	"fmt"
	"slices"
	"testing"

	"bulkhead/internal/downlink"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

func task(id string, checkOnly bool) *bulkheadv1.SupervisorFrame {
	return &bulkheadv1.SupervisorFrame{Frame: &bulkheadv1.SupervisorFrame_Task{
		Task: &bulkheadv1.Task{TaskId: []byte(id), CheckOnly: checkOnly}}}
}

func stopTask(id string) *bulkheadv1.SupervisorFrame {
	return &bulkheadv1.SupervisorFrame{Frame: &bulkheadv1.SupervisorFrame_StopTask{
		StopTask: &bulkheadv1.StopTask{TaskId: []byte(id)}}}
}

// taken takes what is there about tasks.
func taken(q *downlink.Queue) (all []string) {
	for f := q.Take(); f != nil; f = q.Take() {
		switch {
		case f.GetTask() == nil:
			all = append(all, "stop "+string(f.GetStopTask().GetTaskId()))
		case f.GetTask().GetCheckOnly():
			all = append(all, "ask "+string(f.GetTask().GetTaskId()))
		default:
			all = append(all, "do "+string(f.GetTask().GetTaskId()))
		}
	}
	return all
}

// What an agent is to do comes in order, and none for another: a job's task is not lost because somebody
// asks meanwhile whether another job could be done.
func TestTasksComeInOrder(t *testing.T) {
	q := downlink.New()
	for _, f := range []*bulkheadv1.SupervisorFrame{task("a", false), task("b", true), stopTask("a"), task("c", false),
		stopTask("b"), task("a", false), stopTask("a")} {
		q.Put(f)
	}
	if got, want := taken(q), []string{"do a", "ask b", "stop a", "do c", "stop b"}; !slices.Equal(got, want) {
		t.Errorf("taken is %q; want %q", got, want)
	}
	q.Put(task("a", false))
	if got, want := taken(q), []string{"do a"}; !slices.Equal(got, want) {
		t.Errorf("sent again it is %q; want %q", got, want)
	}
}

// However often an agent that reads nothing is asked, so much waits, and what it is to do is among that.
func TestTasksAreBounded(t *testing.T) {
	q := downlink.New()
	q.Put(task("do", false))
	for i := range 1000 {
		q.Put(task(fmt.Sprint(i), true))
	}
	if got := taken(q); len(got) != 16 || got[0] != "do do" || got[15] != "ask 999" {
		t.Errorf("taken is %q", got)
	}
	for i := range 1000 {
		q.Put(task(fmt.Sprint(i), false))
	}
	if got := taken(q); len(got) != 16 || got[0] != "do 984" {
		t.Errorf("taken is %q", got)
	}
}
