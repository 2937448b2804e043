package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"time"

	"bulkhead/client/session"
	"bulkhead/client/spec"
	"bulkhead/internal/config"
	"bulkhead/internal/config/value"
	"bulkhead/internal/human"
	"bulkhead/internal/protocol"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Config is what an agent needs to know.
type Config struct {
	// Supervisor has the addresses, host:port; TLS and TokenFile are as those of a client, which has them
	// from here, too.
	Supervisor value.Addresses
	TLS        config.ClientTLS
	TokenFile  string
	// Name is the agent's for people; Labels say what it is good for.
	Name   string
	Labels map[string]string
	Limits Limits
	// Overtime is how long a client may live that has no time to write left: Limits.MaxRuntime bounds
	// that alone. 0 means 15 minutes.
	Overtime time.Duration
	// Folders are the agent's own, which are closed after Run.
	Folders *Folders
	// Program is the program that is a client when run as `client`.
	Program string
	// Version of the program, for people.
	Version string
	// Output receives what clients print; it must not wait for whoever reads it.
	Output interface{ Write([]byte) (int, error) }
	Logger *slog.Logger
}

const (
	// taskPause is how long nothing is read after a Task, and floodPause after one of too many: of those
	// that come meanwhile the supervisor's side keeps one. To check a load takes milliseconds.
	taskPause, floodPause = 50 * time.Millisecond, time.Second
	// otherPause is how long nothing is read after another frame.
	otherPause = time.Millisecond
)

// agent is one agent, with what outlives its connections.
type agent struct {
	cfg   Config
	hello *bulkheadv1.Hello // one goroutine's
	takes pace              // the same one's
	log   *slog.Logger

	changed chan struct{} // holds one token after a task has changed
	gone    chan struct{} // closed when the agent has ended
	running sync.WaitGroup

	mu sync.Mutex
	// supervisor is the address of the one that the agent was connected to last.
	supervisor string  // guarded by mu
	begins     pace    // guarded by mu; of clients
	said       pace    // guarded by mu; of refusals that are logged
	unsaid     int     // guarded by mu; refusals since then
	tasks      []*task // guarded by mu; the oldest first, at most protocol.MaxTaskReports
	left       []*need // guarded by mu; of clients whose files are not known to be removed
	ending     bool    // guarded by mu
}

func newAgent(cfg Config) *agent {
	cfg.Overtime = cmp.Or(cfg.Overtime, defaultOvertime)
	return &agent{cfg: cfg, log: cfg.Logger, changed: make(chan struct{}, 1), gone: make(chan struct{}),
		takes:  pace{every: takeEvery, burst: takeBurst},
		begins: pace{every: beginEvery, burst: beginBurst}, said: pace{every: sayEvery, burst: sayBurst}}
}

// Run waits for tasks until ctx is done, and then until the client has ended that runs, if one does;
// it asks it to. A receive from hurry ends the client at once.
func Run(ctx context.Context, cfg Config, hurry <-chan struct{}) error {
	secret := spec.NewSecret()
	host, _ := os.Hostname() // for people only
	about := &bulkheadv1.Agent{Name: cfg.Name, MaxRuntimeNano: int64(cfg.Limits.MaxRuntime), GivesIds: true}
	for _, a := range cfg.Limits.Allowances {
		about.Allowances = append(about.Allowances, &bulkheadv1.Allowance{Path: a.Path, Bytes: a.Bytes})
	}
	a := newAgent(cfg)
	a.hello = &bulkheadv1.Hello{
		ProtocolVersion: protocol.Version, ProtocolMinor: protocol.Minor, ClientId: secret[:],
		Host:   strings.ToValidUTF8(host[:min(len(host), protocol.MaxHostBytes)], ""),
		Labels: cfg.Labels, ClientVersion: cfg.Version, Pid: int32(os.Getpid()), Instance: spec.NewInstance(),
		Agent: about,
	}
	a.log.Info("agent waits for tasks", "supervisor", cfg.Supervisor.String(), "name", cfg.Name,
		"allowed", strings.Join(shown(cfg.Limits.Allowances), ", "))
	if _, err := confinement(); err != nil {
		a.log.Warn("clients are not confined to the folders that are allowed, which are checked before each begins: a "+
			"folder that somebody on this machine replaces by a link after that would be followed",
			"reason", err.Error())
	}
	a.inherit()
	over := make(chan struct{})
	var connected sync.WaitGroup
	connected.Go(func() { // ends with over
		a.stayConnected(over)
	})
	<-ctx.Done()
	a.end("the agent is ending", hurry)
	close(a.gone)
	close(over)
	connected.Wait()
	return nil
}

func shown(allowances []Allowance) (out []string) {
	for _, a := range allowances {
		out = append(out, fmt.Sprintf("%s:%s", a.Path, human.BriefSize(a.Bytes)))
	}
	return out
}

// end takes no more tasks, and ends the one that runs: it is the last that a supervisor hears.
func (a *agent) end(reason string, hurry <-chan struct{}) {
	a.mu.Lock()
	a.ending = true
	for _, t := range a.tasks {
		t.stop(reason, false)
	}
	a.mu.Unlock()
	ended := make(chan struct{})
	go func() { // ends with the tasks, which are bounded
		defer close(ended)
		a.running.Wait()
	}()
	select {
	case <-ended:
		return
	case <-hurry:
	}
	a.mu.Lock()
	for _, t := range a.tasks {
		t.stop(reason, true)
	}
	a.mu.Unlock()
	<-ended
}

// stayConnected keeps the agent connected until over is closed.
func (a *agent) stayConnected(over <-chan struct{}) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stop := make(chan struct{})
	defer close(stop)
	go func() { // ends with over or with stop
		select {
		case <-over:
			cancel()
		case <-stop:
		}
	}()
	var tries tries
	told := ""
	way := session.NewWay(a.cfg.Supervisor, a.cfg.TLS, a.cfg.TokenFile != "", a.hello.GetClientId(), "")
	for ctx.Err() == nil {
		began := time.Now()
		welcomed, err := a.connect(ctx, way, tries.many())
		if ctx.Err() != nil {
			return
		}
		err, more := way.Over(welcomed, err)
		after, final := session.RetryAfter(err)
		wait := tries.next(welcomed, time.Since(began), after, final, more, rand.Float64())
		if welcomed && !tries.many() {
			told = ""
		}
		if now := err.Error(); now != told && (after == 0 || after > time.Second) { // once, not each time
			told = now
			a.log.Warn("not connected to the supervisor; trying again, for ever", "supervisor", way.String(),
				"reason", now)
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// errNoAgents is why a supervisor that is too old is not stayed with.
var errNoAgents = errors.New("the supervisor is of an earlier version, which knows no agents")

// connect makes one connection and returns how it ended; quiet says nothing of it.
func (a *agent) connect(ctx context.Context, way *session.Way, quiet bool) (welcomed bool, err error) {
	a.hello.WallClockUnixNano = time.Now().UnixNano()
	l, err := session.OpenLine(ctx, way, a.cfg.TokenFile, a.hello)
	if err != nil {
		return false, withoutAgents(err)
	}
	defer l.Close()
	if l.Welcome.GetProtocolMinor() < protocol.MinorAgent {
		return false, errNoAgents
	}
	switch {
	case quiet:
	case a.hello.LastConnection == 0:
		a.log.Info("connected to supervisor "+way.At(), "version", l.Welcome.GetSupervisorVersion())
	default:
		a.log.Info("connected to supervisor " + way.At() + " again")
	}
	a.mu.Lock()
	a.supervisor = way.Dialled()
	a.mu.Unlock()
	a.hello.LastConnection = max(l.Welcome.GetConnection(), 1)
	over := make(chan struct{})
	var sender sync.WaitGroup
	sender.Go(func() { // ends with over, or with the line
		a.tell(l, over)
	})
	defer sender.Wait()
	defer close(over)
	for {
		f, err := l.Recv()
		if err != nil {
			return true, err
		}
		switch f := f.GetFrame().(type) {
		case *bulkheadv1.ServerFrame_Task:
			a.take(f.Task)
			if a.takes.may(time.Now()) {
				time.Sleep(taskPause) // not for anything to happen: a flood costs its sender
			} else {
				time.Sleep(floodPause)
			}
		case *bulkheadv1.ServerFrame_StopTask:
			a.stopTask(f.StopTask)
			time.Sleep(otherPause)
		default: // of a newer supervisor, or for clients
			time.Sleep(otherPause)
		}
	}
}

// tell reports how the tasks are, now and at each change, until over is closed.
func (a *agent) tell(l *session.Line, over <-chan struct{}) {
	for {
		report := &bulkheadv1.ClientFrame{Frame: &bulkheadv1.ClientFrame_AgentReport{AgentReport: a.report()}}
		if l.Send(report) != nil {
			return // Recv says why
		}
		select {
		case <-a.changed:
		case <-over:
			return
		}
	}
}

// withoutAgents says of a refusal that it is that of a supervisor without agents.
func withoutAgents(err error) error {
	var no session.Refusal
	if errors.As(err, &no) && strings.Contains(no.Status.Message(), "Hello.name has 0 bytes") {
		return errNoAgents
	}
	return err
}
