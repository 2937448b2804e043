package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"bulkhead/internal/testing/engine"
	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// engineClients is how many clients there are in (n) whose acks are measured, and whose sessions are taken.
const (
	engineClients  = 64
	takeoverAtMost = 1000
)

// onEngine prints what a journal on three nodes of NATS JetStream costs beside a file on the same disk, how long
// the sessions of a supervisor that is gone are without one, and what two supervisors do beside one.
func (b *bench) onEngine() error {
	nodes, err := engine.Begin(b.dir, engine.Options{})
	if err != nil {
		return err
	}
	defer nodes.Kill()
	var file, three, ratio, p50, p99, fileP50, fileP99, taken, two spread
	for round := range b.rounds {
		f, facks, err := b.engineRates(nil, fmt.Sprintf("file-%d", round), 1)
		if err != nil {
			return err
		}
		n, nacks, err := b.engineRates(nodes, fmt.Sprintf("one-%d", round), 1)
		if err != nil {
			return err
		}
		d, _, err := b.engineRates(nodes, fmt.Sprintf("two-%d", round), 2)
		if err != nil {
			return err
		}
		t, err := b.takeover(nodes, fmt.Sprintf("takeover-%d", round), min(b.clients[0], takeoverAtMost))
		if err != nil {
			return err
		}
		file, three, ratio, two = append(file, f), append(three, n), append(ratio, n/f), append(two, d/n)
		fileP50, fileP99 = append(fileP50, facks.median()), append(fileP99, facks.quantile(0.99))
		p50, p99, taken = append(p50, nacks.median()), append(p99, nacks.quantile(0.99)), append(taken, t)
	}
	fmt.Fprintf(b.out, "\n(n) the journal on three nodes of NATS JetStream that share this machine and disk, beside a "+
		"file; median of %d (least–most)\n", b.rounds)
	t := tabwriter.NewWriter(b.out, 0, 0, 1, ' ', 0)
	fmt.Fprintln(t, "| what\t| file\t| three nodes\t| ratio\t|")
	fmt.Fprintln(t, "|---\t|---\t|---\t|---\t|")
	fmt.Fprintf(t, "| messages/s, 8 clients × 128\t| %s\t| %s\t| %s\t|\n", file.text("%.0f"), three.text("%.0f"),
		ratio.text("%.3f"))
	fmt.Fprintf(t, "| ack p50 of %d clients, ms\t| %s\t| %s\t| %s\t|\n", engineClients, fileP50.text("%.1f"),
		p50.text("%.1f"), p50.over(fileP50).text("%.1f"))
	fmt.Fprintf(t, "| ack p99 of %d clients, ms\t| %s\t| %s\t| %s\t|\n", engineClients, fileP99.text("%.1f"),
		p99.text("%.1f"), p99.over(fileP99).text("%.1f"))
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(b.out, "two supervisors beside one, messages/s: %s\n", two.text("%.2f"))
	fmt.Fprintf(b.out, "a supervisor with %d clients is gone: all have a Welcome of another one, and an ack, %s s "+
		"after they connect there\n", min(b.clients[0], takeoverAtMost), taken.text("%.2f"))
	return nil
}

// engineSettings writes the settings of a supervisor of a run on the nodes.
func (b *bench) engineSettings(nodes *engine.Cluster, run string) (string, error) {
	dir, err := newDir(b.dir)
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "supervisor.yaml")
	text := fmt.Sprintf("journal:\n  kind: nats\n  url: %s\n  monitor: %s\n  run: %s\n",
		strings.Join(nodes.URLs(), ","), strings.Join(nodes.Monitors(), ","), run)
	return path, os.WriteFile(path, []byte(text), 0o600)
}

// engineSupervisors starts so many supervisors of a run; its journal is a file if there are no nodes.
func (b *bench) engineSupervisors(nodes *engine.Cluster, run string, n int) (list []*harness.Supervisor, err error) {
	args := unshared("--clients", "1", "--linger", "1h", "--handler-pool", fmt.Sprint(connecting))
	if nodes != nil {
		config, err := b.engineSettings(nodes, run)
		if err != nil {
			return nil, err
		}
		args = append(args, "--config", config)
	}
	for range n {
		s, err := b.supervisor(args...)
		if err == nil {
			list, err = append(list, s), b.fullPool(s, connecting)
		}
		if err != nil {
			for _, s := range list {
				s.Kill()
			}
			return nil, err
		}
	}
	return list, nil
}

// engineRates returns how many messages a second come through the supervisors of a run, and how long the acks of
// clients at the first take, ms.
func (b *bench) engineRates(nodes *engine.Cluster, run string, supervisors int) (float64, spread, error) {
	list, err := b.engineSupervisors(nodes, run, supervisors)
	if err != nil {
		return 0, nil, err
	}
	for _, s := range list {
		defer s.Kill()
	}
	var mu sync.Mutex
	var rate float64 // guarded by mu
	var failed error // guarded by mu
	var all sync.WaitGroup
	for i, s := range list {
		all.Go(func() {
			r, err := drive(s.Addr, 8/len(list), 128)
			mu.Lock()
			defer mu.Unlock()
			rate += r
			if err != nil {
				failed = errors.Join(failed, fmt.Errorf("supervisor %d: %w; its log:\n%s", i, err, s.Log()))
			}
		})
	}
	if all.Wait(); failed != nil {
		return 0, nil, failed
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	clients, _, err := connectAll(ctx, list[0].Addr, 0, engineClients)
	for _, c := range clients {
		defer c.Close()
	}
	if err != nil {
		return 0, nil, err
	}
	acks, away := beatAll(clients)
	if away > 0 {
		return 0, nil, errors.New("clients were cut off")
	}
	return rate, acks, nil
}

// takeover returns the seconds that clients need to be served by another supervisor, from when they connect there,
// whose supervisor is gone with its handlers.
func (b *bench) takeover(nodes *engine.Cluster, run string, n int) (float64, error) {
	list, err := b.engineSupervisors(nodes, run, 2)
	if err != nil {
		return 0, err
	}
	for _, s := range list {
		defer s.Kill()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	hellos := make([]*bulkheadv1.Hello, n)
	for i := range hellos {
		hellos[i] = rawclient.Hello(fmt.Sprintf("bench-%d", i))
	}
	before, err := comeAll(ctx, list[0].Addr, hellos, 1)
	list[0].Kill()
	for _, c := range before {
		c.Close() // and with it its handler
	}
	if err != nil {
		return 0, fmt.Errorf("%w; the supervisor's log:\n%s", err, list[0].Log())
	}
	began := time.Now()
	after, err := comeAll(ctx, list[1].Addr, hellos, 2)
	took := time.Since(began).Seconds()
	for _, c := range after {
		c.Close()
	}
	if err != nil {
		return 0, fmt.Errorf("%w; the supervisor's log:\n%s", err, list[1].Log())
	}
	return took, nil
}

// comeAll connects clients, connecting at a time, and returns when each has an ack of its message of that number.
func comeAll(ctx context.Context, addr string, hellos []*bulkheadv1.Hello, seq uint64) ([]*rawclient.Client, error) {
	var mu sync.Mutex
	var list []*rawclient.Client // guarded by mu
	var failed error             // guarded by mu
	var all sync.WaitGroup
	next := make(chan *bulkheadv1.Hello)
	for range connecting {
		all.Go(func() { // ends with next
			for h := range next {
				c, err := come(ctx, addr, h, seq)
				mu.Lock()
				if c != nil {
					list = append(list, c)
				}
				failed = errors.Join(failed, err)
				mu.Unlock()
			}
		})
	}
	for _, h := range hellos {
		next <- h
	}
	close(next)
	all.Wait()
	return list, failed
}

// come connects a client, again while it is told to come again, and sends a message.
func come(ctx context.Context, addr string, h *bulkheadv1.Hello, seq uint64) (*rawclient.Client, error) {
	for refused := 1; ; refused++ {
		c, err := rawclient.Dial(ctx, addr)
		if err != nil {
			return nil, err
		}
		w, err := c.Greet(h)
		if err == nil && w.GetResumeAfter() != seq-1 {
			err = fmt.Errorf("%s continues after message %d, not %d", h.GetName(), w.GetResumeAfter(), seq-1)
			return c, err
		}
		if err == nil {
			return c, errors.Join(c.SendBatch(seq, seq), c.AwaitAck(seq))
		}
		c.Close()
		if !comesAgain(ctx, err, refused) {
			return nil, err
		}
	}
}
