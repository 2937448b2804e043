// Command cluster is `make run-cluster`: three nodes of NATS JetStream, two supervisors that serve one run on
// them side by side, and six clients, all on this machine and on loopback. One of the supervisors is killed in
// the middle; its clients go on at the other, and all is in one report. What is written as load is removed; the
// state directories stay.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"bulkhead/internal/exitstatus"
	"bulkhead/internal/testing/engine"
	"bulkhead/internal/testing/harness"
)

// clients is how many there are.
const clients = 6

// patience is how long anything may take that must happen, besides the load.
const patience = 2 * time.Minute

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("cluster", flag.ContinueOnError)
	flags.SetOutput(stderr)
	d := demo{out: stderr}
	flags.StringVar(&d.bin, "bin", "bin", "folder of the programs")
	flags.StringVar(&d.state, "state-dir", "bulkhead-state-cluster", "folder of the state directories")
	flags.StringVar(&d.path, "path", ".", "folder to write load below")
	flags.DurationVar(&d.runtime, "runtime", 30*time.Second,
		"how long clients write; a supervisor is killed after a third of it")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return exitstatus.Complete
	} else if err != nil {
		return exitstatus.Usage
	}
	d.signals = make(chan os.Signal, 1)
	signal.Notify(d.signals, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(d.signals)
	code, err := d.run(stdout)
	if err != nil {
		fmt.Fprintln(stderr, "cluster:", err)
		return exitstatus.Failure
	}
	return code
}

// demo is one demonstration.
type demo struct {
	bin, state, path string
	runtime          time.Duration
	out              io.Writer // for people
	signals          chan os.Signal
}

func (d *demo) say(format string, args ...any) { fmt.Fprintf(d.out, "cluster: "+format+"\n", args...) }

// run returns the exit status of the supervisor that is left, whose report it prints.
func (d *demo) run(stdout io.Writer) (int, error) {
	if err := os.MkdirAll(d.state, 0o700); err != nil {
		return 0, err
	}
	dir, err := os.MkdirTemp(d.path, "bulkhead-demo-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	d.say("building nats-server, which takes half a minute the first time")
	nodes, err := engine.Begin(dir, engine.Options{})
	if err != nil {
		return 0, err
	}
	defer nodes.Kill()
	d.say("three nodes: %s", strings.Join(nodes.URLs(), ", "))
	supervisors, err := d.supervisors(nodes)
	for _, s := range supervisors {
		defer s.Kill()
	}
	if err != nil {
		return 0, err
	}
	all, err := d.clients(dir, supervisors)
	for _, c := range all {
		defer c.Kill()
	}
	if err != nil {
		return 0, err
	}
	return d.killed(supervisors, stdout)
}

// supervisors starts two of one run.
func (d *demo) supervisors(nodes *engine.Cluster) (list []*harness.Supervisor, err error) {
	listen, err := free(2)
	if err != nil {
		return nil, err
	}
	name := time.Now().UTC().Format("demo-20060102T150405Z")
	state := filepath.Join(d.state, name) // a killed supervisor leaves a run that cannot be continued
	if err := os.Mkdir(state, 0o700); err != nil {
		return nil, err
	}
	config := filepath.Join(state, "supervisor.yaml")
	if err := os.WriteFile(config, []byte(settings(nodes, name, listen)), 0o600); err != nil {
		return nil, err
	}
	for i, at := range listen {
		s, err := harness.StartSupervisor(d.bin, filepath.Join(state, fmt.Sprint("s", i+1)), "--config", config,
			"--listen", at)
		if err != nil {
			return list, err
		}
		list = append(list, s)
		d.say("supervisor %d, pid %d, listens on %s and keeps %s", i+1, s.Pid(), s.Addr, s.RunDir)
	}
	return list, nil
}

// free returns addresses where nobody listens.
func free(n int) (list []string, err error) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close() // all together: none is given away twice
		list = append(list, l.Addr().String())
	}
	return list, nil
}

// settings returns those of both supervisors.
func settings(nodes *engine.Cluster, name string, peers []string) string {
	return fmt.Sprintf(`clients: %d
linger: 1s
peers: [%s]
handler: {orphan_grace: 2s}
journal:
  kind: nats
  url: %s
  monitor: %s
  run: %s
`, clients, strings.Join(peers, ", "), strings.Join(nodes.URLs(), ","), strings.Join(nodes.Monitors(), ","), name)
}

// clients starts the clients, half of which begin at either supervisor, and know both.
func (d *demo) clients(dir string, supervisors []*harness.Supervisor) (list []*harness.Client, err error) {
	for i := range clients {
		name := fmt.Sprint("client-", i+1)
		own := filepath.Join(dir, name)
		if err := os.Mkdir(own, 0o700); err != nil {
			return list, err
		}
		at := supervisors[i%2].Addr + "," + supervisors[(i+1)%2].Addr
		c, err := harness.StartClient(d.bin, own, at, name, "--consumers", "1", "--chunk-size", "256KiB", "--file-size",
			"8MiB", "--keep-files", "2", "--rate-bytes", "16MiB", "--runtime", d.runtime.String())
		if err != nil {
			return list, err
		}
		list = append(list, c)
	}
	return list, nil
}

// killed kills the first supervisor when a third of the time is over, waits for the other one, and prints its
// report.
func (d *demo) killed(supervisors []*harness.Supervisor, stdout io.Writer) (int, error) {
	first, second := supervisors[0], supervisors[1]
	select {
	case <-time.After(d.runtime / 3):
	case <-first.Done():
		return 0, fmt.Errorf("a supervisor ended: %s", first.Log())
	case sig := <-d.signals:
		return 0, fmt.Errorf("received %s", sig)
	}
	first.Kill()
	d.say("supervisor 1 was killed; its clients go to supervisor 2")
	select {
	case <-second.Done():
	case <-time.After(d.runtime + patience):
		return 0, fmt.Errorf("supervisor 2 does not end: %s", second.Log())
	case sig := <-d.signals:
		return 0, fmt.Errorf("received %s", sig)
	}
	code, err := second.Wait(patience)
	if err != nil {
		return 0, err
	}
	if code != exitstatus.Complete {
		fmt.Fprintln(d.out, second.Log())
	}
	_, err = second.Stdout.WriteTo(stdout)
	d.say("the nodes are removed with all that they had; the run's journal and its report are in %s", second.RunDir)
	return code, err
}
