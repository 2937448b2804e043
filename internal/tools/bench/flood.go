package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"text/tabwriter"
	"time"

	"bulkhead/internal/testing/rawclient"
)

const (
	// floodRate is how many connections that say nothing come in a second.
	floodRate = 1000
	// floodSeconds is how long acks are timed, with the flood and without.
	floodSeconds = 4
	// floodSessions is how many sessions send meanwhile, floodBatch messages at a
	// time, a batch every floodPause.
	floodSessions = 2
	floodBatch    = 16
	floodPause    = 10 * time.Millisecond
)

// flood prints how the ack latency of running sessions changes while connections that
// say nothing come all the time: first without, then with, in each round.
func (b *bench) flood() error {
	fmt.Fprintf(b.out, "\n(e) ack latency of %d sessions under a flood of %d connections/s that say nothing; median "+
		"of %d (least–most)\n", floodSessions, floodRate, b.rounds)
	var calm50, calm99, flood50, flood99, ratio50, ratio99 spread
	var shed uint64
	for range b.rounds {
		calm, flooded, n, err := b.floodOnce()
		if err != nil {
			return err
		}
		shed += n
		calm50, calm99 = append(calm50, calm.quantile(0.5)), append(calm99, calm.quantile(0.99))
		flood50, flood99 = append(flood50, flooded.quantile(0.5)), append(flood99, flooded.quantile(0.99))
		ratio50 = append(ratio50, flooded.quantile(0.5)/calm.quantile(0.5))
		ratio99 = append(ratio99, flooded.quantile(0.99)/calm.quantile(0.99))
	}
	t := tabwriter.NewWriter(b.out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(t, "ack latency\twithout, ms\twith, ms\tratio")
	fmt.Fprintf(t, "p50\t%s\t%s\t%s\n", calm50.text("%.2f"), flood50.text("%.2f"), ratio50.text("%.2f"))
	fmt.Fprintf(t, "p99\t%s\t%s\t%s\n", calm99.text("%.2f"), flood99.text("%.2f"), ratio99.text("%.2f"))
	fmt.Fprintf(t, "connections shed\t\t%d\t\n", shed)
	return t.Flush()
}

// floodOnce returns the milliseconds of each ack without and with a flood, and how
// many connections of the flood were refused at once.
func (b *bench) floodOnce() (calm, flooded spread, shed uint64, err error) {
	s, err := b.supervisor("--clients", fmt.Sprint(floodSessions), "--linger", "0s")
	if err != nil {
		return nil, nil, 0, err
	}
	defer s.Kill()
	sessions := make([]*timed, floodSessions)
	for i := range sessions {
		if sessions[i], err = newTimed(s.Addr, fmt.Sprintf("bench-%d", i)); err != nil {
			return nil, nil, 0, err
		}
		defer sessions[i].Close()
	}
	if calm, err = timeAcks(sessions); err != nil {
		return nil, nil, 0, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	refused := make(chan uint64)
	go func() { refused <- floodWith(ctx, s.Addr) }() // ends with ctx, below
	flooded, err = timeAcks(sessions)
	cancel()
	shed = <-refused
	if err != nil {
		return nil, nil, 0, fmt.Errorf("%w; the supervisor's log:\n%s", err, s.Log())
	}
	for _, c := range sessions {
		err = errors.Join(err, c.goodbye())
	}
	return calm, flooded, shed, err
}

// timed is a session whose acks are timed.
type timed struct {
	*rawclient.Client
	cancel context.CancelFunc
	sent   uint64
}

func newTimed(addr, name string) (*timed, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	c, err := rawclient.Dial(ctx, addr)
	if err == nil {
		_, err = c.Greet(rawclient.Hello(name))
	}
	if err != nil {
		cancel()
		return nil, err
	}
	return &timed{Client: c, cancel: cancel}, nil
}

func (c *timed) goodbye() error {
	defer c.cancel()
	if err := c.Goodbye(c.sent); err != nil {
		return err
	}
	if err := c.End(); !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// timeAcks sends batches over all sessions for floodSeconds and returns how long each
// ack took, in milliseconds.
func timeAcks(sessions []*timed) (spread, error) {
	var mu sync.Mutex
	var all spread
	var errs error
	var wg sync.WaitGroup
	for _, c := range sessions {
		wg.Go(func() {
			var own spread
			var err error
			for end := time.Now().Add(floodSeconds * time.Second); err == nil && time.Now().Before(end); {
				begin := time.Now()
				if err = c.SendBatch(c.sent+1, c.sent+floodBatch); err == nil {
					c.sent += floodBatch
					err = c.AwaitAck(c.sent)
				}
				own = append(own, float64(time.Since(begin).Microseconds())/1e3)
				time.Sleep(floodPause) // the pace of the load, not a wait for anything
			}
			mu.Lock()
			defer mu.Unlock()
			all, errs = append(all, own...), errors.Join(errs, err)
		})
	}
	wg.Wait()
	return all, errs
}

// floodWith makes connections that say nothing until ctx is done, and returns how
// many the supervisor ended within a second.
func floodWith(ctx context.Context, addr string) uint64 {
	var mu sync.Mutex
	var refused uint64
	var wg sync.WaitGroup
	tick := time.NewTicker(time.Second / floodRate)
	defer tick.Stop()
	for ctx.Err() == nil {
		<-tick.C
		c, err := net.Dial("tcp", addr)
		if err != nil {
			continue
		}
		wg.Go(func() {
			defer c.Close()
			stop := context.AfterFunc(ctx, func() { c.Close() })
			defer stop()
			if c.SetReadDeadline(time.Now().Add(time.Second)) != nil {
				return
			}
			if _, err := io.Copy(io.Discard, c); err == nil || !isTimeout(err) && ctx.Err() == nil {
				mu.Lock()
				refused++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return refused
}

func isTimeout(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}
