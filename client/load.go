package client

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"bulkhead/client/budget"
	"bulkhead/client/outbox"
	"bulkhead/client/site"
	"bulkhead/client/spec"
	"bulkhead/internal/child"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// load is everything between the start of the workers and the exit of the last.
type load struct {
	cfg     spec.Config
	id      spec.ClientID
	folders *site.Folders
	outbox  *outbox.Outbox
	tally   *tally
	session *runningSession
	workers *workers

	ends  chan struct{} // closed when the load begins to end
	ended chan *worker  // one for each stream that has ended; never blocks
	// refused has the first error of the outbox.
	refused chan error
	// shared is how much the consumers may still write together, in the load or in each stage; nil is
	// without limit. total is that of a load without stages.
	shared *budget.Shared
	total  *budget.Budget
	// stages follows the consumers through those of the load; nil for a load without.
	stages   *stages
	together together
	// paced is the newest division of the fleet's rate that the consumers were told of.
	paced uint32
	// written has one value once they wrote that.
	written chan struct{}
	// speed is what they wrote in each interval.
	speed *throughput
	// kills is what the system had killed for want of memory by the last heartbeat.
	kills uint64
	// neighbours says what readers of other clients' files wait for.
	neighbours *neighbours
	// corruptions is how many the consumers said.
	corruptions atomic.Uint64
}

// loggedCorruptions is how many corruptions are logged; all are reported.
const loggedCorruptions = 20

// lasted is how long a load lasted: reached until its end began, and in all until the
// last worker had exited. Both count from when its consumers began to write, reached without the
// warm-up; 0 if they never did.
type lasted struct{ reached, all time.Duration }

// run starts the workers, lets them work until something ends the load, and ends
// them. It returns why, and how long they worked. When it returns, no worker is
// left and all they said is in the outbox.
func (l *load) run(stop *interrupts, socketDir string) (ending, lasted) {
	preparing := time.Now()
	l.workers = startWorkers(stop.abort, l.cfg, socketDir, l.shared)
	all := l.workers.started()
	l.ends = make(chan struct{})
	l.ended = make(chan *worker, len(all))
	l.refused = make(chan error, 1)
	l.written = make(chan struct{}, 1)
	l.speed = newThroughput(preparing, l.cfg.ProgressInterval)
	l.neighbours = newNeighbours(l.cfg.Logger)
	if len(l.cfg.Stages) > 0 {
		l.stages = l.newStages()
	} else {
		l.total = l.shared.Of(0)
	}

	streams, hangUp := l.openStreams()
	begins, cancelBegins := context.WithCancel(stop.abort)
	l.together.begins = begins
	beats, cancelBeats := context.WithCancel(stop.abort)
	var heart sync.WaitGroup
	heart.Go(func() { // ended by cancelBeats
		heartbeats(beats, patients(all), l.cfg.HeartbeatInterval, l.cfg.HeartbeatTimeout, l.sayHeartbeat)
	})
	var long lasted
	var began time.Time
	why, over := l.prepare(stop, preparing)
	ready := time.Now()
	var told gathered
	if !over {
		told, why, over = l.gather(stop)
	}
	if !over {
		began = told.moment()
		l.speed.begin(began)
		l.begin(stop.abort, began)
		told.leave(began, stop.abort.Done())
		l.sayBegun(told, began)
		l.cfg.Logger.Info("the consumers are ready and begin to write",
			"getting_ready_took", ready.Sub(preparing).Round(time.Millisecond))
		why = l.wait(stop, began)
		long.reached = max(time.Since(began)-l.cfg.Warmup, 0)
	}
	close(l.ends)
	cancelBeats()
	cancelBegins()
	heart.Wait()
	l.together.calls.Wait()
	l.endWorkers(stop.abort, why)
	hangUp()
	streams.Wait()
	l.workers.logs.Close()
	if !began.IsZero() {
		long.all = time.Since(began)
	}
	return why, long
}

// openStreams gives every worker its job, the monitor first so that it sees the
// consumers from their beginning.
func (l *load) openStreams() (*sync.WaitGroup, context.CancelFunc) {
	ctx, hangUp := context.WithCancel(context.Background()) // the workers' ends end the streams
	streams := new(sync.WaitGroup)
	started := l.workers.started()
	for i := range started {
		one := started[len(started)-1-i]
		streams.Go(func() {
			one.stream(ctx, l.task(one), func(m *bulkheadv1.Message) {
				one.faults.watch(m, time.Now())
				if m.GetStart() != nil {
					one.readyOnce.Do(func() { close(one.ready) })
				}
				l.take(m)
			})
			l.streamEnded(one)
		})
	}
	return streams, hangUp
}

// task returns a worker's job.
func (l *load) task(one *worker) *bulkheadv1.RunRequest {
	request := &bulkheadv1.RunRequest{Process: one.process}
	if one != l.workers.monitor {
		i := int(one.process.GetIndex())
		spec := specOf(i, l.cfg.Consumers[i], l.folders)
		spec.StartDelayNano = int64(l.cfg.Begin(i))
		descriptor := uint32(0)
		if l.shared != nil {
			descriptor = child.FirstFile
		}
		request.Hold = true
		request.Task = &bulkheadv1.RunRequest_Consumer{Consumer: &bulkheadv1.ConsumerTask{
			Spec:                 spec,
			ProgressIntervalNano: int64(l.cfg.ProgressInterval),
			StallAfterNano:       int64(l.cfg.StallAfter),
			Keep:                 l.cfg.Keep,
			RunId:                l.session.First.GetRunId(),
			ClientId:             l.id[:],
			BudgetDescriptor:     descriptor,
			WarmupNano:           int64(l.cfg.Warmup),
			Stages:               l.cfg.Stages.Wire(),
		}}
		return request
	}
	task := &bulkheadv1.MonitorTask{IntervalNano: int64(l.cfg.MonitorInterval)}
	for _, consumer := range l.workers.consumers {
		if consumer.child != nil {
			task.Targets = append(task.Targets, consumer.process)
			task.Paths = append(task.Paths, []byte(l.cfg.Consumers[consumer.process.GetIndex()].Path))
		}
	}
	task.LocalAddress, task.SupervisorAddress = l.session.Ends()
	request.Task = &bulkheadv1.RunRequest_Monitor{Monitor: task}
	return request
}

// take takes a message of a worker. When it has no room, it is counted and dropped,
// and the load ends: a worker is never kept waiting, and never queued for.
func (l *load) take(m *bulkheadv1.Message) {
	if c := m.GetCorruption(); c != nil && l.corruptions.Add(1) <= loggedCorruptions {
		l.cfg.Logger.Error("a block did not read back as it was written", "consumer", m.GetProcess().GetIndex(),
			"where_and_what", corruptionText(c))
	}
	if m.GetStageReady() != nil && m.GetProcess().GetKind() == bulkheadv1.ProcessKind_PROCESS_KIND_CONSUMER {
		if l.stages != nil {
			l.stages.come(m)
		}
		return // the client says so when all of its consumers have come
	}
	l.tally.count(m)
	l.neighbours.watch(m)
	if m.GetStageBegun() != nil && l.stages != nil {
		l.stages.count(m)
	}
	if l.total.Spent() {
		select {
		case l.written <- struct{}{}:
		default: // said already
		}
	}
	if l.cfg.Steady.Window > 0 {
		l.speed.count(m, time.Now())
	}
	if err := l.outbox.Add(m); err != nil {
		select {
		case l.refused <- err:
		default: // the load is ending already
		}
	}
}

func (l *load) sayHeartbeat(beat *bulkheadv1.Heartbeat) {
	for _, one := range l.workers.started() {
		one.child.Outlived(l.kills)
	}
	l.kills = child.SystemKills()
	for _, miss := range beat.GetMisses() {
		level := slog.LevelWarn
		if miss.GetGone() {
			level = slog.LevelDebug // said once already, when its stream ended
		}
		l.cfg.Logger.Log(context.Background(), level, "heartbeat missed",
			"worker", (&worker{process: miss.GetProcess()}).name(), "reason", miss.GetReason())
	}
	l.take(&bulkheadv1.Message{Process: clientProcess(), Fact: &bulkheadv1.Message_Heartbeat{Heartbeat: beat}})
}

// streamEnded takes note of a worker that says nothing more.
func (l *load) streamEnded(one *worker) {
	select {
	case <-l.ends:
		return // as it should
	default:
	}
	switch one.endedWork {
	case bulkheadv1.StopReason_STOP_REASON_RESERVE:
		l.ended <- one // which ends the load, and is said there
		return
	case bulkheadv1.StopReason_STOP_REASON_FAILED:
		l.cfg.Logger.Error(fmt.Sprintf("%s (pid %d) has ended its work: %s", one.name(), one.process.GetPid(),
			one.stopped))
		l.ended <- one
		return
	}
	l.cfg.Logger.Error(fmt.Sprintf("%s (pid %d) is lost in mid-run: %s", one.name(), one.process.GetPid(),
		cmp.Or(one.reason, "it ended its work by itself")))
	l.ended <- one
}

// patients returns the workers as heartbeats see them.
func patients(of []*worker) []patient {
	var out []patient
	for _, one := range of {
		out = append(out, patient{
			process: one.process,
			service: one.service(),
			gone:    one.child.Done(),
			how:     func() string { return one.child.Exit().String() },
		})
	}
	return out
}
