package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"text/tabwriter"
	"time"
)

const (
	// greedyClients send as much as they can, greedyBatch messages at a time, while one sends as
	// the sessions of (e) do.
	greedyClients = 14
	greedyBatch   = 128
	// greedyNice is their priority: they stand for clients on other machines, which take no processor
	// of the supervisor's.
	greedyNice = 19
)

// greedy prints how the ack latency of a client changes while others send as much as they can: first
// without, then with, in each round.
func (b *bench) greedy() error {
	fmt.Fprintf(b.out, "\n(i) ack latency of a client beside %d that send as much as they can; median of %d "+
		"(least–most)\n", greedyClients, b.rounds)
	program, err := b.build("crowd")
	if err != nil {
		return err
	}
	var alone50, alone99, beside50, beside99, ratio50, ratio99, rate spread
	for range b.rounds {
		alone, beside, perSecond, err := b.greedyOnce(program)
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
func (b *bench) greedyOnce(program string) (alone, beside spread, perSecond float64, err error) {
	s, err := b.supervisor("--clients", "1", "--linger", "0s", "--handler-pool", fmt.Sprint(greedyClients+1))
	if err != nil {
		return nil, nil, 0, err
	}
	defer s.Kill()
	failed := func(err error) error { return fmt.Errorf("%w; the supervisor's log:\n%s", err, s.Log()) }
	honest, err := newTimed(s.Addr, "bench-honest")
	if err != nil {
		return nil, nil, 0, err
	}
	defer honest.Close()
	if alone, err = timeAcks([]*timed{honest}); err != nil {
		return nil, nil, 0, err
	}
	others, err := startCrowd(program, s.Addr)
	if err != nil {
		return nil, nil, 0, failed(err)
	}
	before, err := others.acked()
	began := time.Now()
	if err == nil {
		beside, err = timeAcks([]*timed{honest})
	}
	after, more := others.acked()
	perSecond = float64(after-before) / time.Since(began).Seconds()
	if err = errors.Join(err, more, others.end()); err != nil {
		return nil, nil, 0, failed(err)
	}
	return alone, beside, perSecond, honest.goodbye()
}

// crowd is a process of greedy clients.
type crowd struct {
	cmd *exec.Cmd
	ask io.WriteCloser
	say *bufio.Reader
}

// startCrowd returns when each of them has sent something.
func startCrowd(program, addr string) (*crowd, error) {
	c := &crowd{cmd: exec.Command("nice", "-n", fmt.Sprint(greedyNice), program, addr, // nice(1) is for all threads
		fmt.Sprint(greedyClients), fmt.Sprint(greedyBatch), fmt.Sprint(window))}
	c.cmd.Stderr = os.Stderr
	var err error
	if c.ask, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	said, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.say = bufio.NewReader(said)
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	if _, err := c.acked(); err != nil {
		return nil, errors.Join(err, c.end())
	}
	return c, nil
}

// acked returns how many messages of theirs were acknowledged.
func (c *crowd) acked() (n uint64, err error) {
	if _, err := fmt.Fprintln(c.ask); err != nil {
		return 0, err
	}
	_, err = fmt.Fscanln(c.say, &n)
	return n, err
}

func (c *crowd) end() error {
	c.ask.Close()
	return c.cmd.Wait()
}
