// Command bulkhead-handler serves one client connection for a bulkhead
// supervisor, which starts it; see package handler.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"bulkhead/handler"
	"bulkhead/internal/child/inside"
	"bulkhead/internal/exitstatus"
	"bulkhead/internal/sink"
)

func main() { os.Exit(run()) }

func run() int {
	stderr := sink.New(os.Stderr)
	defer stderr.Flush() // gives up on a supervisor that does not read
	err := handler.Run(context.Background())
	if err == nil {
		return exitstatus.Complete
	}
	fmt.Fprintln(stderr, "bulkhead-handler:", err)
	if errors.Is(err, inside.ErrNotChild) {
		return exitstatus.Usage
	}
	return exitstatus.Failure
}
