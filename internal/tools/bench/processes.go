package main

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

const (
	// arrangedConnects are timed of each arrangement in each round, one after the other.
	arrangedConnects = 60
	// arrangedClients are connected while its memory is measured.
	arrangedClients = 64
)

// costs is what an arrangement costs, and what a crash takes along, over all rounds.
type costs struct {
	rate, first, memory spread
	medians             spread
	child, parent       spread // connections lost with a crash of
	childAcked          spread // messages lost with it
	parentAcked         spread
}

// processes prints what a process for each client costs and gives, beside a goroutine in one
// process and a fork.
func (b *bench) processes() error {
	all, err := b.arrangements()
	if err != nil {
		return err
	}
	sums := make([]costs, len(all))
	for range b.rounds {
		for i, a := range all {
			if err := sums[i].add(a); err != nil {
				return fmt.Errorf("%s: %w", a.name, err)
			}
		}
	}
	fmt.Fprintf(b.out, "\n(g) threads, forks, processes: thousands of messages/s of 8 clients × 16; ms from connect "+
		"to the first ack; private MiB per client with %d connected, its share of the parent's included; and what is "+
		"lost of %d clients that write when one serving process, or the parent, is killed by SIGSEGV; median of %d "+
		"(least–most)\n", arrangedClients, crashClients, b.rounds)
	t := tabwriter.NewWriter(b.out, 0, 0, 1, ' ', 0)
	fmt.Fprintln(t, "| \t| messages/s, k\t| connect p50\t| p99\t| MiB per client\t| crash: connections\t| acked "+
		"messages\t| parent's crash: connections\t| acked messages\t|")
	fmt.Fprintln(t, "|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|")
	for i, a := range all {
		c := sums[i]
		fmt.Fprintf(t, "| %s\t| %s\t| %s\t| %.2f\t| %s\t| %s\t| %s\t| %s\t| %s\t|\n", a.name, c.rate.text("%.0f"),
			c.medians.text("%.2f"), c.first.quantile(0.99), c.memory.text("%.2f"), c.child.count(),
			c.childAcked.count(), c.parent.count(), c.parentAcked.count())
	}
	return t.Flush()
}

// add measures an arrangement once more.
func (s *costs) add(a arrangement) error {
	for _, measure := range []func(collecting) error{s.addRate, s.addConnects, s.addMemory} {
		c, err := a.start()
		if err != nil {
			return err
		}
		err = measure(c)
		if log := c.stop(); err != nil {
			return fmt.Errorf("%w; its log:\n%s", err, log)
		}
	}
	of, err := crash(a, false)
	if err != nil {
		return fmt.Errorf("a crash: %w", err)
	}
	s.child, s.childAcked = append(s.child, float64(of.connections)), append(s.childAcked, float64(of.acked))
	if of, err = crash(a, true); err != nil {
		return fmt.Errorf("a crash of the parent: %w", err)
	}
	s.parent, s.parentAcked = append(s.parent, float64(of.connections)), append(s.parentAcked, float64(of.acked))
	return nil
}

func (s *costs) addRate(c collecting) error {
	rate, err := drive(c.addr(), 8, 16)
	s.rate = append(s.rate, rate/1e3)
	return err
}

func (s *costs) addConnects(c collecting) error {
	var own spread
	for i := range arrangedConnects {
		ms, err := connectOnce(c.addr(), fmt.Sprintf("bench-%d", i))
		if err != nil {
			return err
		}
		own = append(own, ms)
		time.Sleep(20 * time.Millisecond) // lets a pool refill, and a child end
	}
	s.first, s.medians = append(s.first, own...), append(s.medians, own.median())
	return nil
}

// addMemory takes what the parent has more, and what its children have, with clients connected.
// Children that serve none yet count: warm ones are part of the price.
func (s *costs) addMemory(c collecting) error {
	before, err := familyMemory(c.parent())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for i := range arrangedClients {
		client, err := rawclient.Dial(ctx, c.addr())
		if err != nil {
			return err
		}
		defer client.Close()
		if _, err := client.Greet(rawclient.Hello(fmt.Sprintf("bench-%d", i))); err != nil {
			return err
		}
		if err := client.SendBatch(1, 16); err != nil {
			return err
		}
		if err := client.AwaitAck(16); err != nil {
			return err
		}
	}
	after, err := familyMemory(c.parent())
	s.memory = append(s.memory, (float64(after)-float64(before))/arrangedClients/(1<<20))
	return err
}

// familyMemory returns the private memory of a process and its children.
func familyMemory(pid int) (uint64, error) {
	sum, err := harness.PrivateMemory(pid)
	if err != nil {
		return 0, err
	}
	children, err := harness.Children(pid, "")
	if err != nil {
		return 0, err
	}
	for _, child := range children {
		m, err := harness.PrivateMemory(child)
		if err != nil {
			return 0, err
		}
		sum += m
	}
	return sum, nil
}

// batch returns a frame of messages first to last.
func batch(first, last uint64) *bulkheadv1.ClientFrame {
	return &bulkheadv1.ClientFrame{Frame: &bulkheadv1.ClientFrame_Batch{Batch: rawclient.Batch(first, last)}}
}
