package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"
)

// floorOfMany is what bare processes, one for each of as many clients, come to on this machine.
type floorOfMany struct{ rate, p50, p99 spread }

// scaleBare lets the clients come once to bare processes, and say something there.
func (b *bench) scaleBare(program string, f *fleet) error {
	p, err := startPeer(program, "many", b.dir)
	if err != nil {
		return err
	}
	err = b.crowdBare(p.addr(), f)
	if log := p.stop(); err != nil {
		return fmt.Errorf("the floor: %w; its log:\n%s", err, log)
	}
	return nil
}

// crowdBare connects the clients to addr, as scaleOnce does to a supervisor.
func (b *bench) crowdBare(addr string, f *fleet) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	var all []*beating
	defer func() {
		for _, c := range all {
			c.Close()
		}
	}()
	for i, n := range b.clients {
		floor := &f.sizes[i].floor
		began, had := time.Now(), len(all)
		more, _, err := connectAll(ctx, addr, had, n)
		all = append(all, more...)
		if err != nil {
			return err
		}
		floor.rate = append(floor.rate, float64(n-had)/time.Since(began).Seconds())
		acks, away := beatAll(all)
		if away > 0 {
			return errors.New("clients were cut off")
		}
		floor.p50, floor.p99 = append(floor.p50, acks.median()), append(floor.p99, acks.quantile(0.99))
	}
	return nil
}

// leastOfMany notes the floors of the goals with n clients.
func (b *bench) leastOfMany(n int, s fleetSize) {
	b.least(fmt.Sprintf("new clients/s, %d connected", n),
		beside(s.rate.over(s.floor.rate), fmt.Sprintf("%.0f", s.floor.rate.median())))
	b.least(fmt.Sprintf("ack p50 with %d clients, ms", n),
		beside(s.p50.over(s.floor.p50), fmt.Sprintf("%.1f ms", s.floor.p50.median())))
	b.least(fmt.Sprintf("ack p99 with %d clients, ms", n),
		beside(s.p99.over(s.floor.p99), fmt.Sprintf("%.1f ms", s.floor.p99.median())))
}

// printBare prints what Bulkhead is beside the floor.
func (b *bench) printBare(f *fleet) error {
	fmt.Fprintln(b.out, "\nthe floor: the same clients at bare processes, one for each, of gRPC with one file")
	t := tabwriter.NewWriter(b.out, 0, 0, 1, ' ', 0)
	fmt.Fprintln(t, "| clients\t| new a second\t| ratio\t| ack p50, ms\t| ratio\t| ack p99, ms\t| ratio\t|")
	fmt.Fprintln(t, "|---\t|---\t|---\t|---\t|---\t|---\t|---\t|")
	for i, n := range b.clients {
		s := f.sizes[i]
		fmt.Fprintf(t, "| %d\t| %s\t| %s\t| %s\t| %s\t| %s\t| %s\t|\n", n, s.floor.rate.text("%.0f"),
			s.rate.over(s.floor.rate).text("%.2f"), s.floor.p50.text("%.1f"), s.p50.over(s.floor.p50).text("%.2f"),
			s.floor.p99.text("%.1f"), s.p99.over(s.floor.p99).text("%.2f"))
	}
	return t.Flush()
}
