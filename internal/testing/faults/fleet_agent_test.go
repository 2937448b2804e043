package faults_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/harness/expect"
)

// safeBuffer is a buffer that a process writes to while it is read.
type safeBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// agentRunning is a `bulkhead agent`.
type agentRunning struct {
	*exec.Cmd
	log  safeBuffer
	done chan struct{}
}

// startAgent starts an agent; points are its failpoints.
func (w *fleetWorld) startAgent(name, addr, points string) *agentRunning {
	w.t.Helper()
	dir, work := filepath.Join(w.dir, name), filepath.Join(w.dir, "w-"+name)
	expect.NoError(w.t, errors.Join(os.MkdirAll(dir, 0o755), os.MkdirAll(work, 0o700)))
	a := &agentRunning{done: make(chan struct{}), Cmd: exec.Command(filepath.Join(w.bin, "bulkhead"), "agent",
		"--supervisor", addr, "--name", name, "--allow", dir+":100MiB", "--work-dir", work)}
	a.Stdout, a.Stderr, a.Env = &a.log, &a.log, os.Environ()
	if points != "" {
		a.Env = append(a.Env, "BULKHEAD_FAILPOINTS="+points)
	}
	a.WaitDelay = 5 * time.Second // a client that outlives it holds the log
	expect.NoError(w.t, a.Start())
	go func() { _ = a.Wait(); close(a.done) }() // ends with the process
	w.agents[name] = a
	w.t.Cleanup(func() {
		_ = a.Process.Signal(syscall.SIGCONT)
		_ = a.Process.Kill()
		<-a.done
		if w.t.Failed() {
			w.t.Logf("agent %s said:\n%s", name, tail(a.log.String()))
		}
	})
	return a
}

// await waits for the end of an agent.
func (a *agentRunning) await(t *testing.T) {
	t.Helper()
	select {
	case <-a.done:
	case <-time.After(patience):
		t.Fatal("the agent does not end")
	}
}

// client returns the process of an agent's client.
func (a *agentRunning) client(t *testing.T) (pid int) {
	t.Helper()
	expect.Eventually(t, func() error {
		pids, err := harness.Children(a.Process.Pid, "")
		if err == nil && len(pids) != 1 {
			err = fmt.Errorf("the agent has the children %v; want its client", pids)
		}
		if err == nil {
			pid = pids[0]
		}
		return err
	})
	return pid
}

// awaitAgents waits until all are connected.
func (w *fleetWorld) awaitAgents() {
	w.t.Helper()
	expect.Eventually(w.t, func() error {
		st, err := w.status()
		there := 0
		for _, a := range st.GetAgents() {
			if !a.GetAway() {
				there++
			}
		}
		if err == nil && there != 3 {
			err = fmt.Errorf("the agents are %v; want three connected", st.GetAgents())
		}
		return err
	})
}
