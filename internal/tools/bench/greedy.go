package main

import (
	"context"
	"fmt"
	"sync"
	"text/tabwriter"
	"time"

	"bulkhead/internal/testing/rawclient"
)

const (
	// greedyClients send as much as they can, greedyBatch messages at a time, while one sends as
	// the sessions of (e) do.
	greedyClients = 14
	greedyBatch   = 128
	// greedyStart is how long they have to begin.
	greedyStart = 10 * time.Second
)

// greedy prints how the ack latency of a client changes while others send as much as they can: first
// without, then with, in each round.
func (b *bench) greedy() error {
	fmt.Fprintf(b.out, "\n(i) ack latency of a client beside %d that send as much as they can; median of %d "+
		"(least–most)\n", greedyClients, b.rounds)
	var alone50, alone99, beside50, beside99, ratio50, ratio99, rate spread
	for range b.rounds {
		alone, beside, perSecond, err := b.greedyOnce()
		if err != nil {
			return err
		}
		alone50, alone99 = append(alone50, alone.quantile(0.5)), append(alone99, alone.quantile(0.99))
		beside50, beside99 = append(beside50, beside.quantile(0.5)), append(beside99, beside.quantile(0.99))
		ratio50 = append(ratio50, beside.quantile(0.5)/alone.quantile(0.5))
		ratio99 = append(ratio99, beside.quantile(0.99)/alone.quantile(0.99))
		rate = append(rate, perSecond/1e3)
	}
	t := tabwriter.NewWriter(b.out, 0, 0, 1, ' ', 0)
	fmt.Fprintln(t, "| ack latency\t| alone, ms\t| beside them, ms\t| ratio\t|")
	fmt.Fprintln(t, "|---\t|---\t|---\t|---\t|")
	fmt.Fprintf(t, "| p50\t| %s\t| %s\t| %s\t|\n", alone50.text("%.2f"), beside50.text("%.2f"), ratio50.text("%.2f"))
	fmt.Fprintf(t, "| p99\t| %s\t| %s\t| %s\t|\n", alone99.text("%.2f"), beside99.text("%.2f"), ratio99.text("%.2f"))
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(b.out, "the others sent %s thousand messages/s\n", rate.text("%.0f"))
	b.found("ack p50 beside 14 greedy clients, to alone",
		fmt.Sprintf("%s, %.2f ms", ratio50.text("%.2f"), beside50.median()))
	b.found("ack p99 beside 14 greedy clients, to alone",
		fmt.Sprintf("%s, %.2f ms", ratio99.text("%.2f"), beside99.median()))
	return nil
}

// greedyOnce returns the milliseconds of each ack of one client, alone and beside the greedy ones, and
// how many messages of those were acknowledged in a second.
func (b *bench) greedyOnce() (alone, beside spread, perSecond float64, err error) {
	s, err := b.supervisor("--clients", "1", "--linger", "0s", "--handler-pool", fmt.Sprint(greedyClients+1))
	if err != nil {
		return nil, nil, 0, err
	}
	defer s.Kill()
	honest, err := newTimed(s.Addr, "bench-honest")
	if err != nil {
		return nil, nil, 0, err
	}
	defer honest.Close()
	if alone, err = timeAcks([]*timed{honest}); err != nil {
		return nil, nil, 0, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	var all []*rawclient.Sender
	var wg sync.WaitGroup
	stop := func() { cancel(); wg.Wait() }
	defer stop()
	for i := range greedyClients {
		g := rawclient.NewSender(rawclient.SenderConfig{Addr: s.Addr, Number: uint32(i),
			Hello: rawclient.Hello(fmt.Sprintf("bench-greedy-%d", i)), Batch: greedyBatch, Window: window})
		all = append(all, g)
		wg.Go(func() { _ = g.Run(ctx) }) // ends with ctx
	}
	for _, g := range all {
		if err := g.Await(greedyStart, "it sends", func(p rawclient.Progress) bool { return p.Acked > 0 }); err != nil {
			return nil, nil, 0, fmt.Errorf("%w; the supervisor's log:\n%s", err, s.Log())
		}
	}
	acked := func() (n float64) {
		for _, g := range all {
			n += float64(g.Progress().Acked)
		}
		return n
	}
	before, began := acked(), time.Now()
	beside, err = timeAcks([]*timed{honest})
	perSecond = (acked() - before) / time.Since(began).Seconds()
	stop()
	if err != nil {
		return nil, nil, 0, fmt.Errorf("%w; the supervisor's log:\n%s", err, s.Log())
	}
	return alone, beside, perSecond, honest.goodbye()
}
