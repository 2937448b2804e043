package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/rawclient"
)

// memoryClients is how many clients are connected while memory is measured.
const memoryClients = 200

// memory prints the private memory of a connected handler, and the supervisor's share of
// memory and descriptors for each client.
func (b *bench) memory() error {
	s, err := b.supervisor("--clients", fmt.Sprint(memoryClients), "--linger", "0s")
	if err != nil {
		return err
	}
	defer s.Kill()
	before, err := harness.PrivateMemory(s.Pid())
	if err != nil {
		return err
	}
	open, err := descriptors(s.Pid())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	for i := range memoryClients {
		c, err := rawclient.Dial(ctx, s.Addr)
		if err != nil {
			return err
		}
		defer c.Close()
		if _, err := c.Greet(rawclient.Hello(fmt.Sprintf("bench-%d", i))); err != nil {
			return fmt.Errorf("%w; the supervisor's log:\n%s", err, s.Log())
		}
		if err := c.SendBatch(1, 16); err != nil {
			return err
		}
		if err := c.AwaitAck(16); err != nil {
			return err
		}
	}
	after, err := harness.PrivateMemory(s.Pid())
	if err != nil {
		return err
	}
	opened, err := descriptors(s.Pid())
	if err != nil {
		return err
	}
	each, err := handlersMemory(s)
	if err != nil {
		return err
	}
	fmt.Fprintf(b.out, "\n(c) private memory with %d clients connected, MiB\n", memoryClients)
	fmt.Fprintf(b.out, "per handler %s (%d handlers, warm ones included)   supervisor's share per client %.2f, and "+
		"%.1f descriptors\n", each.text("%.2f"), len(each), float64(after-before)/memoryClients/(1<<20),
		float64(opened-open)/memoryClients)
	b.found("MiB of a handler", each.text("%.2f"))
	b.found("MiB of the supervisor per client", fmt.Sprintf("%.2f", float64(after-before)/memoryClients/(1<<20)))
	b.found("descriptors per client", fmt.Sprintf("%.1f", float64(opened-open)/memoryClients))
	return b.writersMemory()
}

// handlersMemory returns the private memory of each of a supervisor's handlers, in MiB.
func handlersMemory(s *harness.Supervisor) (each spread, err error) {
	pids, err := harness.Children(s.Pid(), "bulkhead-handler")
	if err != nil {
		return nil, err
	}
	for _, pid := range pids {
		m, err := harness.PrivateMemory(pid)
		if err != nil {
			return nil, err
		}
		each = append(each, float64(m)/(1<<20))
	}
	return each, nil
}

// descriptors returns how many descriptors a process has open.
func descriptors(pid int) (int, error) {
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	return len(open), err
}
