// Command crowd is greedy clients of a supervisor: each sends as much as it can. bench measures
// how another client fares beside them.
//
//	crowd ADDRESS CLIENTS BATCH WINDOW
//
// It answers each line on stdin with how many messages are acknowledged, the first when each client
// has sent something, and ends with stdin.
package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"time"

	"bulkhead/internal/testing/rawclient"
)

// start is how long the clients have to begin.
const start = 10 * time.Second

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "crowd:", err)
		os.Exit(1)
	}
}

func run(args []string, in io.Reader, out io.Writer) error {
	if len(args) != 4 {
		return fmt.Errorf("%d arguments; want ADDRESS CLIENTS BATCH WINDOW", len(args))
	}
	var numbers [3]uint64
	for i := range numbers {
		var err error
		if numbers[i], err = strconv.ParseUint(args[i+1], 10, 32); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	all := make([]*rawclient.Sender, numbers[0])
	for i := range all {
		all[i] = rawclient.NewSender(rawclient.SenderConfig{Addr: args[0], Number: uint32(i),
			Hello: rawclient.Hello(fmt.Sprintf("bench-greedy-%d", i)), Batch: numbers[1], Window: numbers[2]})
		wg.Go(func() { _ = all[i].Run(ctx) }) // ends with ctx
	}
	for _, g := range all {
		if err := g.Await(start, "it sends", func(p rawclient.Progress) bool { return p.Acked > 0 }); err != nil {
			return err
		}
	}
	for asked := bufio.NewScanner(in); asked.Scan(); {
		var sum uint64
		for _, g := range all {
			sum += g.Progress().Acked
		}
		if _, err := fmt.Fprintln(out, sum); err != nil {
			return err
		}
	}
	return nil
}
