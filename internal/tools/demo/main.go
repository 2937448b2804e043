// Command demo is `make run`: a supervisor that is started for one job, and three agents whose clients
// begin to write in the same instant, in two stages and with readers beside them, all on this machine and
// on loopback, until the report is printed. Everything it writes as load is removed; the run directory
// stays.
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
	"strings"
	"sync"
	"syscall"
	"time"

	"bulkhead/internal/exitstatus"
)

// load is what the client of one agent writes.
type load struct{ name, chunk, file string }

func loads() []load {
	return []load{
		{"small-chunks", "64KiB", "8MiB"},
		{"medium-chunks", "1MiB", "16MiB"},
		{"large-chunks", "4MiB", "32MiB"},
	}
}

// allowed is how much each agent lets a client have on the disk at once.
const allowed = "512MiB"

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.SetOutput(stderr)
	bin := flags.String("bin", "bin", "folder of the programs")
	state := flags.String("state-dir", "bulkhead-state", "state directory")
	stage := flags.Duration("stage", 8*time.Second, "how long each of the two stages lasts")
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
	code, err := demo(filepath.Join(*bin, "bulkhead"), *state, *path, *stage, stdout, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "demo:", err)
		return exitstatus.Failure
	}
	return code
}

// longestTemp is how long the path of a folder for temporary files may be, so that agents have room for the paths
// of their sockets below it.
const longestTemp = 11

// shortTemp returns a folder for temporary files whose path leaves room for sockets: the one that is set, if it
// does.
func shortTemp(set string) string {
	if len(set) > longestTemp {
		return "/tmp"
	}
	return set
}

// demo runs the supervisor and the agents and returns the supervisor's exit status.
func demo(bulkhead, state, path string, stage time.Duration, stdout, stderr io.Writer) (int, error) {
	dir, err := os.MkdirTemp(path, "bulkhead-demo-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	if dir, err = filepath.Abs(dir); err != nil {
		return 0, err
	}
	work, err := os.MkdirTemp(shortTemp(os.TempDir()), "bulkhead-demo-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(work)
	job := filepath.Join(work, "job.yaml")
	if err := os.WriteFile(job, []byte(jobText(dir, stage)), 0o600); err != nil {
		return 0, err
	}
	supervisor := exec.Command(bulkhead, "supervisor", "start", "--listen", "127.0.0.1:0", "--state-dir", state,
		"--job", job, "--wait", "30s")
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
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	log, err := os.Create(filepath.Join(work, "agents.log"))
	if err != nil {
		return 0, err
	}
	defer log.Close()
	agents, err := startAgents(ctx, bulkhead, addr, dir, work, log)
	if err != nil {
		_ = supervisor.Process.Signal(syscall.SIGTERM) // it would wait for those that do not come
	}
	code, failure := exitStatus(<-ended)
	stop()
	agents.Wait()
	if text, unread := os.ReadFile(log.Name()); code != exitstatus.Complete && unread == nil {
		_, _ = stderr.Write(text) // as far as it goes
	}
	return code, errors.Join(err, failure)
}

// jobText returns the job: who writes what, together.
func jobText(dir string, stage time.Duration) string {
	var b strings.Builder
	b.WriteString("job: demo\nclients:\n")
	for _, l := range loads() {
		fmt.Fprintf(&b, "- on: {name: %s}\n  load: {path: %q, chunk_size: %s, file_size: %s}\n", l.name,
			filepath.Join(dir, l.name), l.chunk, l.file)
	}
	fmt.Fprintf(&b, `load:
  consumer_count: 2
  keep_files: 2
  readers: 1
  read: {size: 64KiB, pattern: random, rate: {ops: 200}, verify: true}
  stages:
  - {name: peak, duration: %[1]s}
  - {name: half, rate: 50%%, duration: %[1]s}
gather: {timeout: 30s}
`, stage)
	return b.String()
}

// startAgents starts an agent for each load. They end with ctx, and the group waits for them.
func startAgents(ctx context.Context, bulkhead, addr, dir, work string, log io.Writer) (*sync.WaitGroup, error) {
	var agents sync.WaitGroup
	for _, l := range loads() {
		folder, own := filepath.Join(dir, l.name), filepath.Join(work, l.name)
		if err := errors.Join(os.Mkdir(folder, 0o700), os.Mkdir(own, 0o700)); err != nil {
			return &agents, err
		}
		agent := exec.CommandContext(ctx, bulkhead, "agent", "--supervisor", addr, "--name", l.name,
			"--allow", folder+":"+allowed, "--work-dir", own, "--log-level", "warn")
		agent.Stdout, agent.Stderr = io.Discard, log
		agent.Cancel = func() error { return agent.Process.Signal(syscall.SIGTERM) }
		agent.WaitDelay = 10 * time.Second // then it is killed, and its client with it
		if err := agent.Start(); err != nil {
			return &agents, err
		}
		agents.Go(func() {
			if err := agent.Wait(); err != nil && ctx.Err() == nil {
				fmt.Fprintf(log, "demo: agent %s: %v\n", l.name, err)
			}
		})
	}
	return &agents, nil
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
