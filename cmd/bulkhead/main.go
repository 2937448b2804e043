// Command bulkhead puts sustained write load on storage from many machines and
// reports truthfully what happened. This package is the command line only.
package main

import (
	"context"
	"os"
)

func main() {
	os.Exit(run(context.Background(), os.Args, os.Stdout, os.Stderr))
}
