// Command sim simulates runs that no machine here can have: how soon clients are let in and what they
// say is durable, what a fault costs them, and what is used up first (docs/scale.md).
//
//	sim -clients 30000 -supervisors 10 -fault rack
//	sim -sweep 10000,30000,100000 -supervisors 32 -fault nothing
//
// A seed and the parameters decide everything. -parameters prints them, and where each comes from.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"bulkhead/internal/exitstatus"
	"bulkhead/internal/tools/sim/model"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	p := model.Default()
	flags := flag.NewFlagSet("sim", flag.ContinueOnError)
	flags.SetOutput(stderr)
	for _, row := range p.Rows() {
		switch v := row.Value.(type) {
		case *int:
			flags.IntVar(v, row.Name, *v, row.Source)
		case *float64:
			flags.Float64Var(v, row.Name, *v, row.Source)
		case *bool:
			flags.BoolVar(v, row.Name, *v, row.Source)
		case *time.Duration:
			flags.DurationVar(v, row.Name, *v, row.Source)
		}
	}
	seed := flags.Uint64("seed", 1, "what chance decides")
	window := flags.Duration("window", 30*time.Second, "how long it is measured, from the fault on")
	fault := flags.String("fault", "all", "what breaks: all, or "+strings.Join(names(), ", "))
	sweep := flags.String("sweep", "", "numbers of clients to go through, as in 10000,30000,100000")
	lab := flags.Bool("lab", false, "print what was measured, beside what is simulated")
	parameters := flags.Bool("parameters", false, "print the parameters, and where each comes from")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return exitstatus.Complete
	case err != nil || flags.NArg() > 0:
		fmt.Fprintln(stderr, "sim: -help lists what it takes")
		return exitstatus.Usage
	}
	if *parameters {
		printParameters(stdout, &p)
		return exitstatus.Complete
	}
	if *lab {
		if err := printLab(stdout, *seed); err != nil {
			fmt.Fprintln(stderr, "sim:", err)
			return exitstatus.Failure
		}
		return exitstatus.Complete
	}
	counts, err := numbers(*sweep, p.Clients)
	if err == nil && *fault != "all" && !slices.Contains(names(), *fault) {
		err = fmt.Errorf("-fault: %q is not all, %s", *fault, strings.Join(names(), ", "))
	}
	if err != nil {
		fmt.Fprintln(stderr, "sim:", err)
		return exitstatus.Usage
	}
	var results []model.Result
	for _, n := range counts {
		p.Clients = n
		for _, f := range model.Faults() {
			if *fault != "all" && *fault != string(f) {
				continue
			}
			r, err := model.Run(p, f, *window, *seed)
			if err != nil {
				fmt.Fprintf(stderr, "sim: %d clients, %s: %v\n", n, f, err)
				return exitstatus.Failure
			}
			results = append(results, r)
		}
	}
	printResults(stdout, results)
	return exitstatus.Complete
}

// names returns the faults there are.
func names() (all []string) {
	for _, f := range model.Faults() {
		all = append(all, string(f))
	}
	return all
}

// numbers reads numbers separated by commas; one alone if there are none.
func numbers(list string, alone int) (out []int, err error) {
	if list == "" {
		return []int{alone}, nil
	}
	for word := range strings.SplitSeq(list, ",") {
		var n int
		if _, err := fmt.Sscan(word, &n); err != nil || n < 1 {
			return nil, fmt.Errorf("-sweep: %q is not a number of clients", word)
		}
		out = append(out, n)
	}
	return out, nil
}
