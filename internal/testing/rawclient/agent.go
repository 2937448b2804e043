package rawclient

import (
	"context"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"bulkhead/internal/boottime"
	"bulkhead/internal/protocol"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// AgentHello returns a Hello of a new agent.
func AgentHello(name string) *bulkheadv1.Hello {
	h := Hello("")
	h.ProtocolMinor, h.Agent = protocol.Minor, &bulkheadv1.Agent{Name: name}
	return h
}

// AgentConfig says what an Agent is, and what becomes of its tasks.
type AgentConfig struct {
	Hello *bulkheadv1.Hello
	Addr  string
	// Client is the client of a task, until it has ended, or ctx is done. Its error is told.
	Client func(ctx context.Context, task *bulkheadv1.Task) error
	// Taken, if it is set, is called when a task has come, before anything is said of it.
	Taken func(task *bulkheadv1.Task)
}

// Agent is a scripted agent: it connects again and again, says of each task that it could be done, and
// does it.
type Agent struct {
	cfg     AgentConfig
	changed chan struct{}
	clients sync.WaitGroup

	mu    sync.Mutex
	tasks []*bulkheadv1.TaskReport      // guarded by mu; the newest of protocol.MaxTaskReports
	stops map[string]context.CancelFunc // guarded by mu; of the clients that run, by task
}

// NewAgent makes an Agent; Run lets it begin.
func NewAgent(cfg AgentConfig) *Agent {
	return &Agent{cfg: cfg, changed: make(chan struct{}, 1), stops: make(map[string]context.CancelFunc)}
}

// Run runs the agent until ctx is done: then its clients have ended, too.
func (a *Agent) Run(ctx context.Context) {
	defer a.clients.Wait()
	for ctx.Err() == nil {
		wait := 20 * time.Millisecond
		if err := a.connection(ctx); err != nil {
			if after, again := (&Sender{cfg: SenderConfig{Again: wait}}).retry(err); again {
				wait = after
			}
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
		}
		t.Stop()
	}
}

// connection is one connection.
func (a *Agent) connection(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c, err := Dial(ctx, a.cfg.Addr)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.Greet(a.cfg.Hello); err != nil {
		return err
	}
	var telling sync.WaitGroup
	defer telling.Wait()
	defer cancel()
	telling.Go(func() { // ends with ctx, or with the stream
		for {
			if c.Send(&bulkheadv1.ClientFrame{Frame: &bulkheadv1.ClientFrame_AgentReport{
				AgentReport: a.report()}}) != nil {
				return
			}
			select {
			case <-a.changed:
			case <-ctx.Done():
				return
			}
		}
	})
	for {
		f, err := c.Recv()
		switch {
		case err != nil:
			return err
		case f.GetTask() != nil:
			a.take(f.GetTask())
		case f.GetStopTask() != nil:
			a.mu.Lock()
			if stop := a.stops[string(f.GetStopTask().GetTaskId())]; stop != nil {
				stop()
			}
			a.mu.Unlock()
		}
	}
}

func (a *Agent) report() *bulkheadv1.AgentReport {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := &bulkheadv1.AgentReport{}
	for _, t := range a.tasks {
		out.Tasks = append(out.Tasks, proto.CloneOf(t))
	}
	return out
}

// take does what a task says, unless it is known.
func (a *Agent) take(task *bulkheadv1.Task) {
	if a.cfg.Taken != nil {
		a.cfg.Taken(task)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	defer a.tellChange()
	if slices.ContainsFunc(a.tasks, func(t *bulkheadv1.TaskReport) bool {
		return string(t.GetTaskId()) == string(task.GetTaskId())
	}) {
		return
	}
	t := &bulkheadv1.TaskReport{TaskId: task.GetTaskId(), State: bulkheadv1.TaskState_TASK_STATE_POSSIBLE}
	a.tasks = append(a.tasks[max(0, len(a.tasks)+1-protocol.MaxTaskReports):], t)
	if task.GetCheckOnly() {
		return
	}
	t.State = bulkheadv1.TaskState_TASK_STATE_RUNNING
	ctx, stop := context.WithCancel(context.Background())
	a.stops[string(task.GetTaskId())] = stop
	a.clients.Go(func() { // ends with the client
		err := a.cfg.Client(ctx, task)
		stop()
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.stops, string(task.GetTaskId()))
		t.State = bulkheadv1.TaskState_TASK_STATE_ENDED
		if err != nil {
			t.ExitStatus, t.Detail = 1, err.Error()
		}
		a.tellChange()
	})
}

func (a *Agent) tellChange() {
	select {
	case a.changed <- struct{}{}:
	default:
	}
}

// Stage is how far a Load is.
type Stage int

// The stages of a Load, in their order.
const (
	Joined Stage = iota
	Ready
	Begun
	Half
)

// Load is a client's life in a run, over one connection: it joins, waits where the run gathers, sends so
// many messages of what it has written, each of an interval, and says goodbye. It ends early, and in order,
// when it is drained. reached is called at each stage; its error ends the connection as a crash would.
func Load(ctx context.Context, addr string, hello *bulkheadv1.Hello, messages uint64, interval time.Duration,
	reached func(Stage) error) error {
	hello.ProtocolMinor = protocol.Minor
	c, err := Dial(ctx, addr)
	if err != nil {
		return err
	}
	defer c.Close()
	l := &load{Client: c}
	w, err := c.Greet(hello)
	if err != nil {
		return err
	}
	if err = reached(Joined); err == nil && w.GetGathers() {
		err = l.gather(reached)
	}
	if err == nil {
		err = reached(Begun)
	}
	for i := uint64(0); err == nil && i < messages && !l.drained; i++ {
		if i == messages/2 {
			err = reached(Half)
		}
		if err == nil && interval > 0 {
			time.Sleep(interval) // which is what it writes in
		}
		if err == nil {
			m := Message(l.sent + 1)
			m.ElapsedNano = boottime.Now()
			m.GetProgress().IntervalNano = max(int64(interval), 1)
			err = l.say(m)
		}
	}
	if err != nil {
		return err
	}
	if err := c.Goodbye(l.sent); err != nil {
		return err
	}
	_ = c.End() // in order, as what was said is durable
	return nil
}

// load is a Load.
type load struct {
	*Client
	sent    uint64
	begin   *bulkheadv1.Begin
	drained bool
}

// gather says that the client is ready, and waits until it may begin.
func (l *load) gather(reached func(Stage) error) error {
	m := &bulkheadv1.Message{Seq: l.sent + 1, Fact: &bulkheadv1.Message_Ready{Ready: &bulkheadv1.Ready{}}}
	if err := l.own(m); err != nil {
		return err
	}
	if err := reached(Ready); err != nil {
		return err
	}
	for l.begin == nil && !l.drained {
		f, err := l.Recv()
		if err != nil {
			return err
		}
		l.note(f)
	}
	if l.drained {
		return nil
	}
	time.Sleep(time.Duration(l.begin.GetInNano())) // which is what the supervisor asks for
	return l.own(&bulkheadv1.Message{Seq: l.sent + 1, Fact: &bulkheadv1.Message_Begun{Begun: &bulkheadv1.Begun{
		DueElapsedNano: l.begin.GetAtElapsedNano(), RoundTripNano: 1000}}})
}

func (l *load) note(f *bulkheadv1.ServerFrame) {
	if f.GetBegin() != nil {
		l.begin = f.GetBegin()
	}
	l.drained = l.drained || f.GetDrain() != nil
}

// own says something of the client itself.
func (l *load) own(m *bulkheadv1.Message) error {
	m.TimeUnixNano, m.ElapsedNano = time.Now().UnixNano(), boottime.Now()
	m.Process = &bulkheadv1.Process{Kind: bulkheadv1.ProcessKind_PROCESS_KIND_CLIENT, Pid: 1}
	return l.say(m)
}

// say sends a message and waits until it is durable.
func (l *load) say(m *bulkheadv1.Message) error {
	l.sent = m.GetSeq()
	if err := l.Send(&bulkheadv1.ClientFrame{Frame: &bulkheadv1.ClientFrame_Batch{
		Batch: &bulkheadv1.Batch{Messages: []*bulkheadv1.Message{m}}}}); err != nil {
		return l.why(err)
	}
	for {
		f, err := l.Recv()
		if err != nil {
			return err
		}
		if l.note(f); f.GetAck().GetSeq() >= l.sent {
			return nil
		}
	}
}
