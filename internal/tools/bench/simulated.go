package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"sync"
	"text/tabwriter"
	"time"

	"bulkhead/internal/tools/sim/model"
)

const (
	// calmEvery is how often each client says something in (m), and calmTimes how many times.
	calmEvery = time.Second
	calmTimes = 10
	// idleFor is how long they are silent before.
	idleFor = 5 * time.Second
	// never is longer than any simulation.
	never = 1000 * time.Hour
)

// simulation is (m), over all rounds: what real programs did, by bench.clients.
type simulation struct {
	sync  spread // ms
	sizes []simulated
}

// simulated is what so many clients did.
type simulated struct {
	rate                spread // new clients a second
	comes, comesHere    spread // processor time of a new client, ms: the supervisor's side, and this process
	idle                spread // of a handler whose client is silent, ms a second
	handler, supervisor spread // of a batch, ms
	beatHere            spread // of this process
	p50, p99            spread // of acks, ms
}

// simulate compares the simulation with the real programs: its costs are taken from the fewest clients,
// and what it says of all is printed beside what they did.
func (b *bench) simulate() error {
	m := &simulation{sizes: make([]simulated, len(b.clients))}
	for range b.rounds {
		disk, err := b.append()
		if err != nil {
			return err
		}
		m.sync = append(m.sync, disk.zeroes)
		for i, n := range b.clients {
			if err := b.simulateOnce(&m.sizes[i], n); err != nil {
				return err
			}
		}
	}
	return b.printSimulated(m)
}

// simulateOnce has clients come to a supervisor of their own, and then say something each calmEvery.
func (b *bench) simulateOnce(into *simulated, n int) error {
	s, err := b.supervisor("--clients", "1", "--linger", "1h", "--handler-pool", fmt.Sprint(connecting))
	if err != nil {
		return err
	}
	defer s.Kill()
	if err := b.fullPool(s, connecting); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	before, err := usedBy(s.Pid())
	if err != nil {
		return err
	}
	began := time.Now()
	all, _, err := connectAll(ctx, s.Addr, 0, n)
	for _, c := range all {
		defer c.Close()
	}
	if err != nil {
		return fmt.Errorf("%w; the supervisor's log:\n%s", err, s.Log())
	}
	into.rate = append(into.rate, float64(n)/time.Since(began).Seconds())
	if err := b.fullPool(s, connecting); err != nil {
		return err
	}
	here, _ := usedOf(os.Getpid())
	after, err := usedBy(s.Pid())
	if err != nil {
		return err
	}
	into.comes = append(into.comes, sideOf(after, before)/float64(n))
	into.comesHere = append(into.comesHere, here.less(before[3], float64(n)).cpu)
	if before, err = usedBy(s.Pid()); err != nil {
		return err
	}
	time.Sleep(idleFor)
	if after, err = usedBy(s.Pid()); err != nil {
		return err
	}
	idle := after[0].less(before[0], float64(n)*idleFor.Seconds()).cpu
	into.idle = append(into.idle, idle)
	before = after
	acks, err := calm(all)
	if err != nil {
		return fmt.Errorf("%w; the supervisor's log:\n%s", err, s.Log())
	}
	here, _ = usedOf(os.Getpid())
	if after, err = usedBy(s.Pid()); err != nil {
		return err
	}
	into.p50, into.p99 = append(into.p50, acks.median()), append(into.p99, acks.quantile(0.99))
	batches := float64(n * calmTimes)
	into.handler = append(into.handler, after[0].less(before[0], batches).cpu-idle*calmEvery.Seconds())
	into.supervisor = append(into.supervisor, after[1].less(before[1], batches).cpu)
	into.beatHere = append(into.beatHere, here.less(before[3], batches).cpu)
	return nil
}

// sideOf returns the processor time of handlers, supervisor and spawner between two moments, in ms.
func sideOf(after, before [4]use) (sum float64) {
	for i := range 3 {
		sum += after[i].less(before[i], 1).cpu
	}
	return sum
}

// calm makes each client say something calmTimes times, and returns how long each took until it was
// durable, in ms.
func calm(all []*beating) (acks spread, failed error) {
	var mu sync.Mutex // of both results
	var wg sync.WaitGroup
	for i, c := range all {
		wg.Go(func() {
			time.Sleep(calmEvery * time.Duration(i) / time.Duration(len(all)))
			tick := time.NewTicker(calmEvery)
			defer tick.Stop()
			for range calmTimes {
				began := time.Now()
				err := c.beat()
				took := float64(time.Since(began).Microseconds()) / 1e3
				mu.Lock()
				if acks = append(acks, took); err != nil {
					failed = err
				}
				mu.Unlock()
				if err != nil {
					return
				}
				<-tick.C
			}
		})
	}
	wg.Wait()
	return acks, failed
}

// calibrated returns the parameters of a run on this machine, with what its clients cost when they were
// fewest.
func (m *simulation) calibrated(n, processors int) model.Params {
	fewest := m.sizes[0]
	millis := func(s spread) time.Duration { return time.Duration(s.median() * 1e6) }
	p := model.Default()
	whole := p.Spawn + p.Connect
	p.Lab()
	p.File, p.Supervisors, p.Clients, p.HostCores, p.Abreast, p.Pool = true, 1, n, processors, connecting, connecting
	p.Progress, p.Monitor, p.Heartbeat = calmEvery, never, never
	p.Sync = millis(m.sync)
	p.Spawn = time.Duration(float64(p.Spawn) / float64(whole) * float64(millis(fewest.comes)))
	p.Connect = millis(fewest.comes) - p.Spawn
	p.ClientConnect, p.Batch, p.ClientBatch = millis(fewest.comesHere),
		millis(fewest.handler)+millis(fewest.supervisor), millis(fewest.beatHere)
	p.Idle = millis(fewest.idle)
	return p
}

// printSimulated prints both, and how far they are apart.
func (b *bench) printSimulated(m *simulation) error {
	fmt.Fprintf(b.out, "\n(m) the simulation beside the real programs: one supervisor with a journal in a file, %d "+
		"clients at a time until all are there, then a message from each every %v; costs from %d clients; a record is "+
		"durable after %s ms; median of %d (least–most)\n", connecting, calmEvery, b.clients[0], m.sync.text("%.2f"),
		b.rounds)
	t := tabwriter.NewWriter(b.out, 0, 0, 1, ' ', 0)
	fmt.Fprintln(t, "| clients\t| \t| real\t| simulated\t| off\t| to the fewest\t| simulated\t| off\t|")
	fmt.Fprintln(t, "|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|")
	var first [3][2]float64
	for i, n := range b.clients {
		r, err := model.Run(m.calibrated(n, runtime.NumCPU()), model.Nothing, calmTimes*calmEvery, 1)
		if err != nil {
			return err
		}
		s := m.sizes[i]
		for k, line := range []struct {
			name      string
			real      spread
			simulated float64
		}{{"new a second", s.rate, float64(n) / r.Arrival.Seconds()}, {"ack p50, ms", s.p50, float64(r.AckP50) / 1e6},
			{"ack p99, ms", s.p99, float64(r.AckP99) / 1e6}} {
			if i == 0 {
				first[k] = [2]float64{line.real.median(), line.simulated}
			}
			grown, simulated := line.real.median()/first[k][0], line.simulated/first[k][1]
			fmt.Fprintf(t, "| %d\t| %s\t| %s\t| %.1f\t| %+.0f %%\t| %.2f\t| %.2f\t| %+.0f %%\t|\n", n, line.name,
				line.real.text("%.1f"), line.simulated, 100*(line.simulated/line.real.median()-1), grown, simulated,
				100*(simulated/grown-1))
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(b.out, "\nprocessor time, ms")
	fmt.Fprintln(t, "| clients\t| a new one\t| it itself\t| a batch: handler\t| supervisor\t| its client\t| "+
		"silent, a second\t|")
	fmt.Fprintln(t, "|---\t|---\t|---\t|---\t|---\t|---\t|---\t|")
	for i, n := range b.clients {
		s := m.sizes[i]
		fmt.Fprintf(t, "| %d\t| %s\t| %s\t| %s\t| %s\t| %s\t| %s\t|\n", n, s.comes.text("%.2f"),
			s.comesHere.text("%.2f"), s.handler.text("%.3f"), s.supervisor.text("%.3f"), s.beatHere.text("%.3f"),
			s.idle.text("%.3f"))
	}
	return t.Flush()
}
