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
)

func main() { os.Exit(run()) }

func run() int {
	err := handler.Run(context.Background())
	if err == nil {
		return 0
	}
	fmt.Fprintln(os.Stderr, "bulkhead-handler:", err)
	if errors.Is(err, inside.ErrNotChild) {
		return 2
	}
	return 1
}
