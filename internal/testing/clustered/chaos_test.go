package clustered

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"bulkhead/internal/testing/engine"
	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/rawclient"
	"bulkhead/supervisor/report"
)

// What make chaos-cluster sets.
var (
	chaosSeed = flag.Uint64("chaos.seed", 1, "seed of TestChaos; its deeds depend on nothing else")
	chaosTime = flag.Duration("chaos.duration", 25*time.Second, "how long TestChaos breaks things")
)

const (
	chaosScripted = 16
	chaosReal     = 4
	// interrupted is the exit status of a run whose loads were ended by an operator.
	interrupted = 4
)

// world is two supervisors of one run, the engine and their clients.
type world struct {
	t       *testing.T
	cluster *engine.Cluster
	args    []string
	addrs   []string
	states  []string
	at      []*harness.Supervisor // by addrs
	killed  int
}

// start starts a supervisor, again if it was killed.
func (w *world) start(i int) {
	w.at[i] = supervisor(w.t, w.states[i], append([]string{"--listen", w.addrs[i]}, w.args...)...)
}

// disaster is something that is done to the world. It returns what ends it; after is how long it is to last.
type disaster struct {
	what  string
	after time.Duration // at most
	do    func(w *world, which int) (undo func())
}

var disasters = []disaster{
	{"a supervisor is killed and started again", 3 * time.Second, func(w *world, which int) func() {
		w.at[which%2].Kill()
		w.killed++
		return func() { w.start(which % 2) }
	}},
	{"a supervisor is killed, and long away", 20 * time.Second, func(w *world, which int) func() {
		w.at[which%2].Kill()
		w.killed++
		return func() { w.start(which % 2) }
	}},
	{"a supervisor is stopped", 16 * time.Second, func(w *world, which int) func() {
		s := w.at[which%2]
		if s.Signal(syscall.SIGSTOP) != nil {
			w.t.Fatal("a supervisor has ended")
		}
		return func() { _ = s.Signal(syscall.SIGCONT) }
	}},
	{"a node of the engine is killed", 4 * time.Second, func(w *world, which int) func() {
		n := w.cluster.Nodes[which%len(w.cluster.Nodes)]
		n.Kill()
		return func() { w.must(n.Start()) }
	}},
	{"two nodes of the engine are killed", 8 * time.Second, func(w *world, which int) func() {
		one, other := w.cluster.Nodes[which%3], w.cluster.Nodes[(which+1)%3]
		one.Kill()
		other.Kill()
		return func() {
			w.must(one.Start())
			w.must(other.Start())
		}
	}},
	{"a node of the engine is stopped", 8 * time.Second, func(w *world, which int) func() {
		n := w.cluster.Nodes[which%len(w.cluster.Nodes)]
		w.must(n.Signal(syscall.SIGSTOP))
		return func() { w.must(n.Signal(syscall.SIGCONT)) }
	}},
	{"handlers are killed", 0, func(w *world, which int) func() {
		pids, err := harness.Children(w.at[which%2].Pid(), "bulkhead-handler")
		w.must(err)
		for i, pid := range pids {
			if i%3 == 0 {
				_ = syscall.Kill(pid, syscall.SIGKILL) // it may be gone
			}
		}
		return func() {}
	}},
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// TestChaos has 20 clients work at two supervisors of one run while supervisors and nodes of the engine are killed
// and stopped at random, one thing at a time, and then accounts for every message.
func TestChaos(t *testing.T) {
	t.Logf("make chaos-cluster SEED=%d DURATION=%s does the same again", *chaosSeed, *chaosTime)
	random := rand.New(rand.NewPCG(*chaosSeed, 0))
	w := &world{t: t, cluster: engine.Start(t, engine.Options{}), addrs: []string{free(t), free(t)},
		states: []string{folder(t), folder(t)}, at: make([]*harness.Supervisor, 2)}
	w.args = []string{"--config", settings(t, w.cluster, "run: chaos"),
		"--clients", fmt.Sprint(chaosScripted + chaosReal), "--peers", w.addrs[0], "--peers", w.addrs[1],
		"--handler-orphan-grace", "1s", "--handler-hang-timeout", "5s", "--handler-poison-limit", "100",
		"--session-grace", "2m"}
	w.start(0)
	w.start(1)
	scripted, real, stop := w.clients()
	for began := time.Now(); time.Since(began) < *chaosTime; {
		d, which := disasters[random.IntN(len(disasters))], random.IntN(6)
		lasts := time.Duration(random.Float64() * float64(d.after))
		t.Logf("%5.1f s: %s (%d), for %.1f s", time.Since(began).Seconds(), d.what, which, lasts.Seconds())
		undo := d.do(w, which)
		time.Sleep(lasts) // the pace of the schedule; nothing is awaited
		undo()
		time.Sleep(time.Second)
	}
	w.cluster.Ready()
	for _, s := range scripted {
		w.must(s.GoesOn(patience))
		s.Finish()
	}
	for _, c := range real {
		_ = c.Signal(syscall.SIGINT) // it may have ended
	}
	for _, s := range scripted {
		select {
		case <-s.Done():
		case <-time.After(patience):
			t.Fatalf("client %s does not end", s.Name())
		}
	}
	w.check(scripted, real)
	stop()
}

// clients starts them, and waits until each has something durable. stop ends those that are scripted.
func (w *world) clients() (scripted []*rawclient.Sender, real []*harness.Client, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	stop = func() {
		cancel()
		all.Wait()
	}
	w.t.Cleanup(stop)
	both := strings.Join(w.addrs, ",")
	for i := range chaosScripted {
		s := rawclient.NewSender(rawclient.SenderConfig{Hello: rawclient.Hello(fmt.Sprint("scripted-", i)), Addr: both,
			Number: uint32(i), Batch: 3, Window: 4, Every: 40 * time.Millisecond, AckTimeout: 20 * time.Second,
			Again: 200 * time.Millisecond})
		all.Go(func() { _ = s.Run(ctx) }) // its end is looked at
		scripted = append(scripted, s)
	}
	for i := range chaosReal {
		real = append(real, client(w.t, &harness.Supervisor{Addr: both}, fmt.Sprint("real-", i), "--runtime", "24h",
			"--rate-bytes", "2MB"))
	}
	for _, s := range scripted {
		w.must(s.GoesOn(patience))
	}
	return scripted, real, stop
}

// check checks that every client closed with all that it sent, and that both supervisors have the same.
func (w *world) check(scripted []*rawclient.Sender, real []*harness.Client) {
	t := w.t
	for _, c := range real {
		if code, err := c.Wait(patience); err != nil {
			t.Errorf("a client ends with %d: %v\n%s", code, err, c.Stderr.String())
		}
	}
	var rep *report.Report
	for _, s := range w.at {
		code, err := s.Wait(patience)
		if err != nil || code != 3 && code != interrupted {
			t.Fatalf("a supervisor ends with %d: %v", code, err)
		}
		if rep, _ = finished(t, s, code); code != interrupted { // as the clients were, at the end
			t.Errorf("the verdict is %+v", rep.Verdict)
		}
	}
	if one, other := sums(t, w.at[0]), sums(t, w.at[1]); one != other {
		t.Errorf("the journals differ:\n%s\n%s", one, other)
	}
	got := make(map[string]report.Client)
	for _, c := range rep.Clients {
		got[c.Name] = c
		if c.Outcome != report.OutcomeClosed {
			t.Errorf("client %s is %s: %s", c.Name, c.Outcome, c.Cause)
		}
	}
	resumes := uint64(0)
	for _, s := range scripted {
		p, c := s.Progress(), got[s.Name()]
		resumes += c.Resumes
		if c.Messages != p.Sent || p.Acked != p.Sent || p.Err != nil {
			t.Errorf("%s has %d messages; it sent %d, of which %d were acknowledged, and ended with %v", s.Name(),
				c.Messages, p.Sent, p.Acked, p.Err)
		}
	}
	if len(rep.Clients) != chaosScripted+chaosReal || len(rep.Journal.Violations) > 0 {
		t.Errorf("%d clients; violations: %v", len(rep.Clients), rep.Journal.Violations)
	}
	t.Logf("%d messages of %d clients, %d resumes, %d supervisors killed: all accounted for", rep.Totals.Messages,
		len(rep.Clients), resumes, w.killed)
}
