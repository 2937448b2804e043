// Command bench measures what docs/benchmarks.md states, with the real programs,
// and prints it as tables. Speeds are ratios of things measured in turn in one
// run, because the speed of a machine drifts.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"

	"bulkhead/internal/exitstatus"
	"bulkhead/internal/testing/harness"
)

// bench is what the measurements share.
type bench struct {
	bin     string // folder of the programs
	dir     string // for state directories and load
	rounds  int
	clients []int // how many there are in (f), (l) and (m), rising; the first is for (n), at most 1000
	// journal is the length of the journal of (r) in bytes.
	journal int64
	cells   *regexp.Regexp // which rows of (b) and (d); nil is all
	out     io.Writer
	results map[string]result // by the measure of a goal
}

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	rounds := flags.Int("rounds", 5, "how often each thing is measured; the median is printed")
	only := flags.String("only", "abcdeghijk", "which of the measurements a to n, r and s")
	clients := flags.String("clients", "500,2000,4000", "how many clients there are in (f), (l) and (m), rising")
	hold := flags.Duration("hold", time.Hour, "how long (s) keeps clients heart-beating")
	gigabytes := flags.Float64("journal", 1, "GB of journal that (r) restarts with")
	bin := flags.String("bin", "", "folder of the programs; empty builds them")
	cells := flags.String("cells", "", "rows of (b) and (d), by a regular expression of their names; empty is all")
	disk := flags.String("disk", ".", "folder on the disk to measure")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return exitstatus.Complete
	} else if err != nil {
		return exitstatus.Usage
	}
	dir, err := os.MkdirTemp(*disk, "bench-")
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return exitstatus.Failure
	}
	defer os.RemoveAll(dir)
	if dir, err = filepath.Abs(dir); err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return exitstatus.Failure
	}
	if *bin == "" {
		if *bin, err = harness.Build(dir); err != nil {
			fmt.Fprintln(stderr, "bench:", err)
			return exitstatus.Failure
		}
	}
	counts, err := rising(*clients)
	if err != nil {
		fmt.Fprintln(stderr, "bench: -clients:", err)
		return exitstatus.Usage
	}
	b := &bench{clients: counts, bin: *bin, dir: dir, rounds: max(1, *rounds), out: stdout,
		results: map[string]result{}, journal: int64(*gigabytes * 1e9)}
	if *cells != "" {
		if b.cells, err = regexp.Compile(*cells); err != nil {
			fmt.Fprintln(stderr, "bench: -cells:", err)
			return exitstatus.Usage
		}
	}
	fmt.Fprintf(stdout, "%s, %d cores, %s %s/%s, %s\n", time.Now().UTC().Format(time.DateOnly), runtime.NumCPU(),
		runtime.Version(), runtime.GOOS, runtime.GOARCH, processor())
	for _, m := range []struct {
		name string
		do   func() error
	}{{"a", b.firstAck}, {"b", b.throughput}, {"c", b.memory}, {"d", b.writing}, {"e", b.flood}, {"f", b.scale},
		{"g", b.processes}, {"h", b.floor}, {"i", b.greedy}, {"j", b.walls}, {"k", b.budget}, {"l", b.begins},
		{"m", b.simulate}, {"n", b.onEngine},
		{"r", b.restart}, {"s", func() error { return b.soak(*hold) }}} {
		if !strings.Contains(*only, m.name) {
			continue
		}
		if err := m.do(); err != nil {
			fmt.Fprintf(stderr, "bench: (%s): %v\n", m.name, err)
			return exitstatus.Failure
		}
	}
	if err := b.printGoals(); err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return exitstatus.Failure
	}
	return exitstatus.Complete
}

// processor returns the model of the processor; "" if it cannot be found.
func processor() string {
	data, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(data)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == "model name" {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// rising reads rising numbers, separated by commas.
func rising(list string) (out []int, err error) {
	for word := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(word)
		if err != nil || n < 1 || len(out) > 0 && n <= out[len(out)-1] {
			return nil, fmt.Errorf("%q: want rising numbers, as in 500,2000", list)
		}
		out = append(out, n)
	}
	return out, nil
}
