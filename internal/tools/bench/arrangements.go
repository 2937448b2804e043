package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"bulkhead/internal/testing/harness"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/journal"
)

// arrangement is a way to serve many clients.
type arrangement struct {
	name  string
	start func() (collecting, error)
}

// collecting is a collector of an arrangement at work.
type collecting interface {
	// addr is where clients connect, and parent the process that accepts them.
	addr() string
	parent() int
	// serving returns the process that serves a client, whose session has that id.
	serving(name, session string) (int, error)
	// resume starts another parent, as whoever runs it would, after the first has been killed.
	resume() error
	// stored ends the collector and returns the last message of each client that can be found.
	stored() (map[string]uint64, error)
	// stop ends it, with all its processes, and returns what they logged.
	stop() string
}

// arrangements returns what (g) compares.
func (b *bench) arrangements() ([]arrangement, error) {
	program, err := b.build("peer")
	if err != nil {
		return nil, err
	}
	peer := func(kind string) func() (collecting, error) {
		return func() (collecting, error) { return startPeer(program, kind) }
	}
	ours := func(sync string) func() (collecting, error) {
		return func() (collecting, error) {
			s, err := b.supervisor(unshared("--clients", "1", "--linger", "1h", "--handler-pool", "16",
				"--journal-sync", sync)...)
			if err != nil {
				return nil, err
			}
			return &ourProcesses{Supervisor: s, b: b, sync: sync}, nil
		}
	}
	return []arrangement{
		{"a goroutine per client", peer("goroutines")},
		{"a fork per client", peer("forks")},
		{"a warm handler per client, journal without sync", ours("none")},
		{"a warm handler per client", ours("batch")},
	}, nil
}

// build builds a program that lies beside bench, as make build does the others, and writes it anew at
// once: what the linker has written page by page is mapped so.
func (b *bench) build(name string) (string, error) {
	path := filepath.Join(b.dir, name)
	cmd := exec.Command("go", "build", "-tags", "grpcnotrace", "-o", path, "bulkhead/internal/tools/bench/"+name)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building %s: %w\n%s", name, err, out)
	}
	data, err := os.ReadFile(path)
	if err == nil {
		err = errors.Join(os.Remove(path), os.WriteFile(path, data, 0o755))
	}
	return path, err
}

// peerProcess is a running peer.
type peerProcess struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Reader
	stderr bytes.Buffer
	at     string
}

func startPeer(program, kind string, args ...string) (*peerProcess, error) {
	p := &peerProcess{cmd: exec.Command(program, append([]string{kind}, args...)...)}
	p.cmd.Stderr, p.cmd.WaitDelay = &p.stderr, 5*time.Second // a child may live longer
	var err error
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	p.stdout = bufio.NewReader(out)
	line, err := p.stdout.ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("peer %s: %w\n%s", kind, err, p.stop())
	}
	p.at = strings.TrimSpace(line)
	return p, nil
}

func (p *peerProcess) addr() string { return p.at }
func (p *peerProcess) parent() int  { return p.cmd.Process.Pid }

// serving returns the process after which a peer names its sessions.
func (p *peerProcess) serving(_, session string) (int, error) { return strconv.Atoi(session) }

// resume does nothing: another process would know nothing of the clients of the first.
func (p *peerProcess) resume() error { return nil }

func (p *peerProcess) stored() (map[string]uint64, error) {
	p.stdin.Close()
	found := make(map[string]uint64)
	for {
		line, err := p.stdout.ReadString('\n')
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return nil, err
		}
		name, seq, _ := strings.Cut(strings.TrimSpace(line), " ")
		if found[name], err = strconv.ParseUint(seq, 10, 64); err != nil {
			return nil, err
		}
	}
}

// stop kills the parent; its children end when their clients do.
func (p *peerProcess) stop() string {
	_ = p.cmd.Process.Kill() // it may have ended
	_, _ = io.Copy(io.Discard, p.stdout)
	_ = p.cmd.Wait() // it was killed
	return p.stderr.String()
}

// ourProcesses is a running supervisor.
type ourProcesses struct {
	*harness.Supervisor
	b    *bench
	sync string
}

func (o *ourProcesses) addr() string { return o.Addr }
func (o *ourProcesses) parent() int  { return o.Pid() }

func (o *ourProcesses) serving(name, _ string) (int, error) {
	st, err := o.b.status(o.Supervisor)
	if err != nil {
		return 0, err
	}
	for _, s := range st.Sessions {
		if s.Name == name && s.HandlerPid > 0 {
			return s.HandlerPid, nil
		}
	}
	return 0, fmt.Errorf("status knows no handler of %s", name)
}

// resume starts a supervisor on the same state, as a service manager would.
func (o *ourProcesses) resume() error {
	<-o.Done()
	s, err := harness.StartSupervisor(o.b.bin, o.StateDir, unshared("--clients", "1", "--linger", "1h",
		"--handler-pool", "16", "--journal-sync", o.sync)...)
	if err != nil {
		return err
	}
	o.Supervisor = s
	return nil
}

// stored kills the supervisor and reads its journal.
func (o *ourProcesses) stored() (map[string]uint64, error) {
	o.stop()
	names, found := make(map[uint32]string), make(map[string]uint64)
	_, err := journal.Replay(filepath.Join(o.RunDir, "journal"), func(rec *bulkheadv1.Record) error {
		if s := rec.GetSessionOpened(); s != nil {
			names[s.GetSession()] = s.GetHello().GetName()
		}
		if batch := rec.GetSessionBatch(); batch != nil {
			found[names[batch.GetSession()]] = batch.GetLastSeq()
		}
		return nil
	})
	return found, err
}

// stop kills the handlers too: one that has something to deliver would wait for another
// supervisor.
func (o *ourProcesses) stop() string {
	var pids []int
	select {
	case <-o.Done(): // stopped before
	default:
		pids, _ = harness.Children(o.Pid(), "bulkhead-handler") // none, if it has just died
		st, _ := o.b.status(o.Supervisor)                       // the same
		for _, s := range st.Sessions {
			pids = append(pids, s.HandlerPid) // one that was adopted is nobody's child
		}
	}
	o.Kill()
	for _, pid := range pids {
		if harness.ProgramOf(pid) == "bulkhead-handler" {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
		}
	}
	return o.Log()
}
