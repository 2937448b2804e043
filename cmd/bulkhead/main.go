// Command bulkhead puts sustained write load on storage from many machines and
// reports truthfully what happened. This package is the command line only.
package main

import (
	"context"
	"os"

	"bulkhead/internal/sink"
)

func main() {
	stderr := sink.New(os.Stderr)
	logLibraries(stderr)
	os.Exit(run(context.Background(), os.Args, os.Stdout, stderr))
}
