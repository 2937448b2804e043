package client

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"bulkhead/client/names"
	"bulkhead/client/spec"
	"bulkhead/internal/testing/scripted"
)

// clientProgram is a client that runs as a process of its own.
type clientProgram struct {
	t    *testing.T
	cfg  spec.Config
	cmd  *exec.Cmd
	log  *scripted.LogLines
	done chan struct{}
}

// startProgram runs a client as a process until the test ends. Its consumers write
// below one folder.
func startProgram(t *testing.T, c *scripted.Collector, consumers int, change func(*spec.Config)) *clientProgram {
	t.Helper()
	cfg := patientConfig(t, c)
	cfg.ProgressInterval = 50 * time.Millisecond
	load := t.TempDir()
	for range consumers {
		cfg.Consumers = append(cfg.Consumers, scripted.Load(load, 64<<10, 1<<20, 1))
	}
	if change != nil {
		change(&cfg)
	}
	settings, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	p := &clientProgram{t: t, cfg: cfg, log: new(scripted.LogLines), done: make(chan struct{})}
	p.cmd = exec.Command(os.Args[0])
	p.cmd.Env = append(os.Environ(), clientSettings+"="+string(settings))
	p.cmd.Stderr = p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var waiting sync.WaitGroup
	waiting.Go(func() {
		defer close(p.done)
		_ = p.cmd.Wait() // its state says how it ended
	})
	t.Cleanup(func() {
		select {
		case <-p.done:
		default:
			p.signal(syscall.SIGKILL)
		}
		waiting.Wait()
		if t.Failed() {
			t.Logf("log of the client:\n%s", p.log)
		}
	})
	return p
}

func (p *clientProgram) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Error(err)
	}
}

// spool waits until the client has a spool of at least so many bytes.
func (p *clientProgram) spool(bytes int64) string {
	p.t.Helper()
	var path string
	scripted.Eventually(p.t, "a spool", func() bool {
		paths, _ := filepath.Glob(filepath.Join(p.cfg.WorkDir, "*", names.Spool))
		if len(paths) == 0 {
			return false
		}
		path = paths[0]
		info, err := os.Stat(path)
		return err == nil && info.Size() >= bytes
	})
	return path
}
