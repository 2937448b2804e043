// Otherwise the runtime keeps two files of control groups open, to follow how many processors it
// may use: a handler uses one.
//
//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0

// Command bulkhead-handler serves one client connection for a bulkhead
// supervisor, which starts it; see package handler.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"

	"bulkhead/handler"
	"bulkhead/internal/child/handshake"
	"bulkhead/internal/child/inside"
	"bulkhead/internal/child/spawner"
	"bulkhead/internal/exitstatus"
	"bulkhead/internal/sandbox"
	"bulkhead/internal/sandbox/lock"
	"bulkhead/internal/sink"
	"bulkhead/internal/version"
)

const help = `bulkhead-handler serves one client for ` + "`bulkhead supervisor start`" + `, which starts it: it lives
beside bulkhead, and nobody starts it by hand. It takes nothing but --version and --help.`

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	if len(args) == 1 && args[0] == spawner.Argument {
		return spawn()
	}
	stderr := sink.New(os.Stderr)
	defer stderr.Flush() // gives up on a supervisor that does not read
	if len(args) > 0 {
		return answer(args, stderr)
	}
	err := handler.Run(context.Background())
	if err == nil {
		return exitstatus.Complete
	}
	fmt.Fprintln(stderr, "bulkhead-handler:", err)
	switch {
	case errors.Is(err, inside.ErrNotChild):
		return exitstatus.Usage
	case errors.Is(err, sandbox.ErrNotLocked):
		return exitstatus.Config
	}
	return exitstatus.Failure
}

// spawn runs the spawner and returns its exit status. What it says goes to the supervisor that started it.
func spawn() int {
	err := spawner.Serve(ahead)
	if err == nil {
		return exitstatus.Complete
	}
	fmt.Fprintln(os.Stderr, "bulkhead-handler:", err)
	if errors.Is(err, spawner.ErrNotSpawner) {
		return exitstatus.Usage
	}
	return exitstatus.Failure
}

// ahead does what of the handlers' order the thread that starts them can. An order that it does not
// understand they will not either.
func ahead() {
	if order, err := sandbox.ParseOrder(os.Getenv(sandbox.EnvName)); err == nil {
		lock.Ahead(order)
	}
}

// answer answers a person, and a supervisor for which no handler starts.
func answer(args []string, stderr *sink.Sink) int {
	text := ""
	switch args[0] {
	case "--version", "-version", "-v", "version":
		text = version.Line("bulkhead-handler")
	case "--help", "-help", "-h", "help":
		text = help
	case handshake.VersionArgument:
		text = strconv.Itoa(handshake.Version)
	}
	if len(args) > 1 || text == "" {
		fmt.Fprintf(stderr, "bulkhead-handler: unexpected argument %q; see `bulkhead-handler --help`\n",
			args[len(args)-1])
		return exitstatus.Usage
	}
	if _, err := fmt.Println(text); err != nil {
		fmt.Fprintln(stderr, "bulkhead-handler:", err)
		return exitstatus.Failure
	}
	return exitstatus.Complete
}
