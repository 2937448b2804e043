package main

import (
	"fmt"
	"text/tabwriter"
	"time"

	"bulkhead/internal/testing/harness"
)

const (
	// gatheredFor is how long each client of (l) writes, and gatherPatience how long all of them may
	// take to be ready, and to end.
	gatheredFor    = 10 * time.Second
	gatherPatience = 10 * time.Minute
)

// begins prints how far apart the first writes of so many real clients on this machine are, with a
// gather and without, and for which part of their time all of them wrote.
func (b *bench) begins() error {
	fmt.Fprintf(b.out, "\n(l) clients of one consumer that begin: ms from the first one's first write to the last "+
		"one's, and overlap of their loads of %s; median of %d (least–most)\n", gatheredFor, b.rounds)
	t := tabwriter.NewWriter(b.out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(t, "clients\tgathered, ms\toverlap, %\tlate\tnot gathered, ms\toverlap, %")
	for _, clients := range b.clients {
		var apart, overlap, late, apartFree, overlapFree spread
		for range b.rounds {
			r, err := b.beginTogether(clients, "--gather", gatherPatience.String())
			if err != nil {
				return err
			}
			apart, overlap, late = append(apart, r.apart), append(overlap, r.overlap), append(late, r.late)
			if r, err = b.beginTogether(clients); err != nil {
				return err
			}
			apartFree, overlapFree = append(apartFree, r.apart), append(overlapFree, r.overlap)
		}
		b.found(fmt.Sprintf("first writes of %d gathered clients, ms", clients), apart.text("%.1f"))
		fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\t%s\n", clients, apart.text("%.1f"), overlap.text("%.1f"), late.count(),
			apartFree.text("%.0f"), overlapFree.text("%.1f"))
	}
	return t.Flush()
}

// began is how far apart clients began, in milliseconds, how much their loads overlap, in percent, and
// how many were late.
type began struct{ apart, overlap, late float64 }

// beginTogether runs clients that write next to nothing, so that it is their begin that is measured.
func (b *bench) beginTogether(clients int, args ...string) (got began, err error) {
	s, err := b.supervisor(append([]string{"--clients", fmt.Sprint(clients), "--linger", "0s",
		"--overload-crash-delay", "0s"}, args...)...)
	if err != nil {
		return began{}, err
	}
	defer s.Kill()
	var running []*harness.Client
	defer func() {
		for _, c := range running {
			c.Kill()
		}
	}()
	for i := range clients {
		dir, err := newDir(b.dir)
		if err != nil {
			return began{}, err
		}
		c, err := harness.StartClient(b.bin, dir, s.Addr, fmt.Sprintf("c%d", i), "--runtime", gatheredFor.String(),
			"--consumers", "1", "--chunk-size", "64KiB", "--file-size", "1MiB", "--rate-chunks", "10",
			"--connect-timeout", gatherPatience.String(), "--log-level", "error")
		if err != nil {
			return began{}, err
		}
		running = append(running, c)
	}
	if _, err := s.Wait(2 * gatherPatience); err != nil {
		return began{}, err
	}
	all, err := s.Report()
	if err != nil {
		return began{}, err
	}
	w, _ := all["common_window"].(map[string]any)
	if n, _ := w["clients"].(float64); int(n) != clients {
		return began{}, fmt.Errorf("%v of %d clients wrote", w["clients"], clients)
	}
	spread, _ := w["start_spread_nano"].(float64)
	got.apart = spread / 1e6
	got.overlap, _ = w["overlap_percent"].(float64)
	list, _ := all["clients"].([]any)
	for _, c := range list {
		if c, _ := c.(map[string]any); c["gathered"] == "late" {
			got.late++
		}
	}
	return got, nil
}
