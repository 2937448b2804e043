package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"google.golang.org/grpc"

	"bulkhead/internal/testing/rawclient"
)

// firstAck prints how long a new client takes from connect to its first durable
// acknowledgement, through a warm handler, beside one in-process gRPC collector, and the floor: a bare
// process that waits for a socket, and one fdatasync.
func (b *bench) firstAck() error {
	const connects = 100
	s, err := b.supervisor("--clients", fmt.Sprint(connects*b.rounds), "--linger", "0s", "--handler-pool", "8")
	if err != nil {
		return err
	}
	defer s.Kill()
	peer, stop, err := startPlain()
	if err != nil {
		return err
	}
	defer stop()
	program, err := b.build("peer")
	if err != nil {
		return err
	}
	bare, err := startPeer(program, "kept", b.dir)
	if err != nil {
		return err
	}
	defer bare.stop()
	var all, others, floors, medians, peers, ratios, tails, least, leastTails, aboveLeast, aboveTails spread
	for range b.rounds {
		var one, other, floor spread
		for i := range connects {
			name := fmt.Sprintf("bench-%d", i)
			ms, err := connectOnce(s.Addr, name)
			if err != nil {
				return fmt.Errorf("%w; the supervisor's log:\n%s", err, s.Log())
			}
			one = append(one, ms)
			time.Sleep(20 * time.Millisecond) // lets the pool refill: the handler is to be warm
			if ms, err = connectOnce(peer, name); err != nil {
				return err
			}
			other = append(other, ms)
			if ms, err = connectOnce(bare.addr(), name); err != nil {
				return fmt.Errorf("the floor: %w; its log:\n%s", err, bare.stop())
			}
			floor = append(floor, ms)
			time.Sleep(20 * time.Millisecond)
		}
		all, medians, peers = append(all, one...), append(medians, one.median()), append(peers, other.median())
		others = append(others, other...)
		ratios = append(ratios, one.median()/other.median())
		tails = append(tails, one.quantile(0.99)/other.quantile(0.99))
		floors, least = append(floors, floor...), append(least, floor.median())
		leastTails = append(leastTails, floor.quantile(0.99))
		aboveLeast = append(aboveLeast, one.median()/floor.median())
		aboveTails = append(aboveTails, one.quantile(0.99)/floor.quantile(0.99))
	}
	fmt.Fprintf(b.out, "\n(a) connect to first durable ack through a warm handler, %d connects, ms\n", len(all))
	fmt.Fprintf(b.out, "handlers: p50 %s   p90 %.2f   p99 %.2f\n", medians.text("%.2f"), all.quantile(0.9),
		all.quantile(0.99))
	fmt.Fprintf(b.out, "in-process: p50 %s   p90 %.2f   p99 %.2f\n", peers.text("%.2f"), others.quantile(0.9),
		others.quantile(0.99))
	fmt.Fprintf(b.out, "floor: p50 %s   p90 %.2f   p99 %.2f\n", least.text("%.2f"), floors.quantile(0.9),
		floors.quantile(0.99))
	fmt.Fprintf(b.out, "ratio: p50 %s   p99 %s\n", ratios.text("%.2f"), tails.text("%.2f"))
	fmt.Fprintf(b.out, "ratio to the floor: p50 %s   p99 %s\n", aboveLeast.text("%.2f"), aboveTails.text("%.2f"))
	b.least("connect to first ack, p50, to in-process", beside(aboveLeast, fmt.Sprintf("%.2f ms", least.median())))
	b.least("connect to first ack, p99, to in-process", beside(aboveTails, fmt.Sprintf("%.2f ms", leastTails.median())))
	b.found("connect to first ack, p50, to in-process",
		fmt.Sprintf("%s, %.2f ms", ratios.text("%.2f"), medians.median()))
	b.found("connect to first ack, p99, to in-process",
		fmt.Sprintf("%s, %.2f ms", tails.text("%.2f"), all.quantile(0.99)))
	return nil
}

// connectOnce connects, sends one message, waits for its ack and says goodbye. It
// returns the milliseconds until the ack.
func connectOnce(addr, name string, opts ...grpc.DialOption) (float64, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	begin := time.Now()
	c, err := rawclient.Dial(ctx, addr, opts...)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	if _, err := c.Greet(rawclient.Hello(name)); err != nil {
		return 0, err
	}
	if err := c.SendBatch(1, 1); err != nil {
		return 0, err
	}
	if err := c.AwaitAck(1); err != nil {
		return 0, err
	}
	took := time.Since(begin)
	if err := c.Goodbye(1); err != nil {
		return 0, err
	}
	_ = c.End() // in order or not, the figure stands
	return float64(took.Microseconds()) / 1e3, nil
}

// newDir makes a folder of its own for one measurement.
func newDir(parent string) (string, error) { return os.MkdirTemp(parent, "run-") }
