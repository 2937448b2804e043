// Package downlink holds the frames that are on their way from the supervisor to
// a client: in the supervisor while the handler is slow to read, in the handler
// while the client is.
//
// It is bounded by merging: of acknowledgements, which are cumulative, only the
// newest waits, and of Welcome, Begin, StageBegin, RateShare, Drain and Finish one each. What an agent is to do about
// its tasks waits in order, one frame for each Task and each StopTask, and so many at most. So whoever puts
// a frame never waits for whoever reads.
//
// A Drain, a Begin and a StageBegin say how much time is left: what they wait here is taken off.
package downlink

import (
	"bytes"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Queue merges frames. Its zero value is not ready; use New.
type Queue struct {
	ready chan struct{} // holds one token while frames wait
	own   bool          // nobody else holds the frames that are put

	mu      sync.Mutex
	welcome *bulkheadv1.Welcome    // guarded by mu
	ack     *bulkheadv1.Ack        // guarded by mu
	begin   *bulkheadv1.Begin      // guarded by mu
	beginAt time.Time              // guarded by mu; the moment that begin names
	stage   *bulkheadv1.StageBegin // guarded by mu
	stageAt time.Time              // guarded by mu; the moment that stage names
	share   *bulkheadv1.RateShare  // guarded by mu
	drain   *bulkheadv1.Drain      // guarded by mu
	drainBy time.Time              // guarded by mu; when the time that drain gives is over
	finish  *bulkheadv1.Finish     // guarded by mu

	tasks []*bulkheadv1.SupervisorFrame // guarded by mu; of Tasks and StopTasks, in order
	over  bool                          // guarded by mu; a Finish was taken
}

// mostTasks is how many frames wait about tasks: more than an agent is asked at a time, unless it is slow
// to read and asked again and again whether it could.
const mostTasks = 16

// New returns an empty queue of frames that others may hold, too.
func New() *Queue { return &Queue{ready: make(chan struct{}, 1)} }

// NewOwn returns an empty queue of frames that are its own from Put on.
func NewOwn() *Queue { return &Queue{ready: make(chan struct{}, 1), own: true} }

// Put adds a frame. A second Welcome, Begin, StageBegin, Drain or Finish, or a second Task or StopTask of
// one id, replaces one that still waits; an Ack and a RateShare never go back. Of too many about tasks the oldest is
// dropped that only asks, or else the oldest. Frames after a Finish was taken, and Open frames, are dropped.
func (q *Queue) Put(f *bulkheadv1.SupervisorFrame) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.over {
		return
	}
	whole := f
	switch f := f.GetFrame().(type) {
	case *bulkheadv1.SupervisorFrame_Welcome:
		q.welcome = f.Welcome
	case *bulkheadv1.SupervisorFrame_Ack:
		if q.ack == nil || q.ack.Seq < f.Ack.GetSeq() {
			q.ack = f.Ack
		}
	case *bulkheadv1.SupervisorFrame_Begin:
		q.begin, q.beginAt = f.Begin, time.Now().Add(time.Duration(f.Begin.GetInNano()))
	case *bulkheadv1.SupervisorFrame_StageBegin:
		q.stage, q.stageAt = f.StageBegin, time.Now().Add(time.Duration(f.StageBegin.GetInNano()))
	case *bulkheadv1.SupervisorFrame_RateShare:
		if q.share == nil || q.share.Division < f.RateShare.GetDivision() {
			q.share = f.RateShare
		}
	case *bulkheadv1.SupervisorFrame_Drain:
		q.drain, q.drainBy = f.Drain, time.Now().Add(time.Duration(f.Drain.GetWithinNano()))
	case *bulkheadv1.SupervisorFrame_Finish:
		q.finish = f.Finish
	case *bulkheadv1.SupervisorFrame_Task, *bulkheadv1.SupervisorFrame_StopTask:
		q.putTask(whole)
	default:
		return
	}
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

// putTask adds a frame about a task. q.mu is held.
func (q *Queue) putTask(f *bulkheadv1.SupervisorFrame) {
	same := slices.IndexFunc(q.tasks, func(waits *bulkheadv1.SupervisorFrame) bool {
		return (waits.GetTask() == nil) == (f.GetTask() == nil) && bytes.Equal(taskOf(waits), taskOf(f))
	})
	if same >= 0 {
		q.tasks[same] = f
		return
	}
	if len(q.tasks) == mostTasks {
		gone := max(0, slices.IndexFunc(q.tasks,
			func(f *bulkheadv1.SupervisorFrame) bool { return f.GetTask().GetCheckOnly() }))
		q.tasks = slices.Delete(q.tasks, gone, gone+1)
	}
	q.tasks = append(q.tasks, f)
}

// taskOf returns the id of the task that a frame is about.
func taskOf(f *bulkheadv1.SupervisorFrame) []byte {
	if t := f.GetTask(); t != nil {
		return t.GetTaskId()
	}
	return f.GetStopTask().GetTaskId()
}

// Ready returns the channel that holds a token when a frame was put since the last one was
// received from it. Whoever receives it must take until nothing is left: it is one token,
// however many frames wait. Frames that were put before anybody looked have theirs too.
func (q *Queue) Ready() <-chan struct{} { return q.ready }

// Take takes the next frame: Welcome before Ack before Begin before StageBegin before RateShare before Drain
// before those about tasks before Finish. It returns nil if none waits.
func (q *Queue) Take() *bulkheadv1.SupervisorFrame {
	q.mu.Lock()
	defer q.mu.Unlock()
	f := &bulkheadv1.SupervisorFrame{}
	switch {
	case q.welcome != nil:
		f.Frame, q.welcome = &bulkheadv1.SupervisorFrame_Welcome{Welcome: q.welcome}, nil
	case q.ack != nil:
		f.Frame, q.ack = &bulkheadv1.SupervisorFrame_Ack{Ack: q.ack}, nil
	case q.begin != nil:
		left := &bulkheadv1.Begin{AtElapsedNano: q.begin.GetAtElapsedNano(),
			InNano: max(0, int64(time.Until(q.beginAt)))}
		f.Frame, q.begin = &bulkheadv1.SupervisorFrame_Begin{Begin: left}, nil
	case q.stage != nil:
		left := &bulkheadv1.StageBegin{Stage: q.stage.GetStage(), AtElapsedNano: q.stage.GetAtElapsedNano(),
			InNano: max(0, int64(time.Until(q.stageAt)))}
		f.Frame, q.stage = &bulkheadv1.SupervisorFrame_StageBegin{StageBegin: left}, nil
	case q.share != nil:
		f.Frame, q.share = &bulkheadv1.SupervisorFrame_RateShare{RateShare: q.share}, nil
	case q.drain != nil:
		f.Frame, q.drain = &bulkheadv1.SupervisorFrame_Drain{Drain: q.remaining()}, nil
	case len(q.tasks) > 0:
		f = q.tasks[0]
		q.tasks = slices.Delete(q.tasks, 0, 1)
	case q.finish != nil:
		f.Frame, q.finish, q.over = &bulkheadv1.SupervisorFrame_Finish{Finish: q.finish}, nil, true
	default:
		return nil
	}
	return f
}

// remaining returns the Drain that waits, with what is left of its time. q.mu is held.
func (q *Queue) remaining() *bulkheadv1.Drain {
	d := q.drain
	if d.GetWithinNano() <= 0 {
		return d // it did not say
	}
	if !q.own { // a copy takes package proto's reflection, which a handler does without
		d = proto.CloneOf(d)
	}
	d.WithinNano = max(1, int64(time.Until(q.drainBy)))
	return d
}
