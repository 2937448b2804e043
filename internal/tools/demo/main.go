// Command demo is `make run`: one supervisor and three clients with different
// chunk and file sizes, all on this machine and on loopback, until the report is
// printed. Everything it writes as load is removed; the run directory stays.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"bulkhead/internal/exitstatus"
)

// load is what one client of the demo writes.
type load struct{ name, chunk, file string }

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.SetOutput(stderr)
	bin := flags.String("bin", "bin", "folder of the programs")
	state := flags.String("state-dir", "bulkhead-state", "state directory")
	runtime := flags.Duration("runtime", 12*time.Second, "how long the load lasts")
	path := flags.String("path", ".", "folder to write load below")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return exitstatus.Complete
	} else if err != nil {
		return exitstatus.Usage
	}
	// The programs receive a Ctrl-C of the terminal themselves and end in order.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(signals)
	code, err := demo(filepath.Join(*bin, "bulkhead"), *state, *path, *runtime, stdout, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "demo:", err)
		return exitstatus.Failure
	}
	return code
}

// demo runs the supervisor and the clients and returns the supervisor's exit
// status.
func demo(bulkhead, state, path string, runtime time.Duration, stdout, stderr io.Writer) (int, error) {
	loads := []load{
		{"small-chunks", "64KiB", "8MiB"},
		{"medium-chunks", "1MiB", "16MiB"},
		{"large-chunks", "4MiB", "32MiB"},
	}
	dir, err := os.MkdirTemp(path, "bulkhead-demo-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	supervisor := exec.Command(bulkhead, "supervisor", "start", "--listen", "127.0.0.1:0", "--state-dir", state,
		"--clients", fmt.Sprint(len(loads)))
	supervisor.Stdout, supervisor.Stderr = stdout, stderr
	if err := supervisor.Start(); err != nil {
		return 0, err
	}
	ended := make(chan error, 1)
	go func() { ended <- supervisor.Wait() }() // received below
	addr, err := address(bulkhead, state, supervisor.Process.Pid, ended)
	if err != nil {
		_ = supervisor.Process.Kill() // it may have ended
		return 0, err
	}
	var clients sync.WaitGroup
	var failed atomic.Bool
	for _, l := range loads {
		c := exec.Command(bulkhead, "client", "--supervisor", addr, "--name", l.name, "--path", dir, "--work-dir", dir,
			"--runtime", runtime.String(), "--chunk-size", l.chunk, "--file-size", l.file, "--keep-files", "1",
			"--log-level", "warn")
		c.Stdout, c.Stderr = io.Discard, stderr
		clients.Go(func() {
			if err := c.Run(); err != nil {
				failed.Store(true)
				fmt.Fprintf(stderr, "demo: client %s: %v\n", l.name, err)
			}
		})
	}
	clients.Wait()
	if failed.Load() { // the supervisor would wait for the client that did not come
		_ = supervisor.Process.Signal(syscall.SIGTERM) // it may have ended
	}
	return exitStatus(<-ended)
}

// address asks the supervisor with that pid where it listens, until it answers.
func address(bulkhead, state string, pid int, ended chan error) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for {
		out, err := exec.CommandContext(ctx, bulkhead, "supervisor", "status", "--json", "--state-dir", state).Output()
		var status struct {
			Listen string `json:"listen"`
			Pid    int    `json:"pid"`
		}
		if err == nil && json.Unmarshal(out, &status) == nil && status.Pid == pid {
			return status.Listen, nil
		}
		select {
		case err := <-ended:
			return "", fmt.Errorf("the supervisor ended: %w", err)
		case <-ctx.Done():
			return "", errors.New("the supervisor does not answer")
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func exitStatus(err error) (int, error) {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0, nil
	case errors.As(err, &exit) && exit.Exited():
		return exit.ExitCode(), nil
	default:
		return 0, fmt.Errorf("the supervisor: %w", err)
	}
}
