package main

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"bulkhead/internal/boottime"
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
	bare, err := b.build("bare")
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(b.out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(t, "clients\tgathered, ms\toverlap, %\tlate\tnot gathered, ms\toverlap, %\tbare processes, ms")
	for _, clients := range b.clients {
		var apart, overlap, late, apartFree, overlapFree, least spread
		for range b.rounds {
			floor, err := b.beginBare(bare, clients)
			if err != nil {
				return err
			}
			least = append(least, floor)
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
		b.least(fmt.Sprintf("first writes of %d gathered clients, ms", clients), least.text("%.1f"))
		fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\t%s\t%s\n", clients, apart.text("%.1f"), overlap.text("%.1f"),
			late.count(), apartFree.text("%.0f"), overlapFree.text("%.1f"), least.text("%.1f"))
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

// bareAhead is how long before the moment bare processes are started.
const bareAhead = 3 * time.Second

// beginBare returns how far apart, in milliseconds, the first writes of so many processes are that wait
// for one moment and do nothing else.
func (b *bench) beginBare(bare string, processes int) (apart float64, err error) {
	dir, err := newDir(b.dir)
	if err != nil {
		return 0, err
	}
	moment := boottime.Now() + int64(bareAhead)
	var all []*exec.Cmd
	said := make([]bytes.Buffer, processes)
	for i := range processes {
		cmd := exec.Command(bare, "begin", fmt.Sprint(moment), filepath.Join(dir, fmt.Sprint(i)))
		cmd.Stdout = &said[i]
		if err := cmd.Start(); err != nil {
			return 0, errors.Join(err, waitFor(all))
		}
		all = append(all, cmd)
	}
	late := boottime.Now() >= moment
	if err := waitFor(all); err != nil {
		return 0, err
	}
	if late {
		return 0, fmt.Errorf("%d processes did not start within %s", processes, bareAhead)
	}
	first, last := int64(math.MaxInt64), int64(0)
	for i := range said {
		at, err := strconv.ParseInt(strings.TrimSpace(said[i].String()), 10, 64)
		if err != nil {
			return 0, err
		}
		first, last = min(first, at), max(last, at)
	}
	return float64(last-first) / 1e6, nil
}

// waitFor waits for processes that end by themselves.
func waitFor(all []*exec.Cmd) error {
	var errs []error
	for _, cmd := range all {
		errs = append(errs, cmd.Wait())
	}
	return errors.Join(errs...)
}
