package client

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// clientProgram is a client that runs as a process of its own.
type clientProgram struct {
	t    *testing.T
	cfg  Config
	cmd  *exec.Cmd
	log  *logLines
	done chan struct{}
}

// startProgram runs a client as a process until the test ends. Its consumers write
// below one folder.
func startProgram(t *testing.T, c *collector, consumers int, change func(*Config)) *clientProgram {
	t.Helper()
	cfg := Config{
		Supervisor: c.address, Name: "tester", Runtime: time.Hour,
		ConnectTimeout: patienceInTests, KillTimeout: patienceInTests, DeliverTimeout: patienceInTests,
		HeartbeatInterval: 200 * time.Millisecond, MonitorInterval: 200 * time.Millisecond, ProgressInterval: 50 * time.Millisecond,
		WorkDir: shortDir(t),
	}
	load := t.TempDir()
	for range consumers {
		cfg.Consumers = append(cfg.Consumers, Consumer{Path: load, ChunkSize: 64 << 10, FileSize: 1 << 20, KeepFiles: 1})
	}
	if change != nil {
		change(&cfg)
	}
	settings, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	p := &clientProgram{t: t, cfg: cfg, log: new(logLines), done: make(chan struct{})}
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
	eventually(p.t, "a spool", func() bool {
		paths, _ := filepath.Glob(filepath.Join(p.cfg.WorkDir, "*", spoolName))
		if len(paths) == 0 {
			return false
		}
		path = paths[0]
		info, err := os.Stat(path)
		return err == nil && info.Size() >= bytes
	})
	return path
}

// eventually polls for an event.
func eventually(t *testing.T, what string, happened func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patienceInTests); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if happened() {
			return
		}
	}
	t.Fatalf("waited %s for %s", patienceInTests, what)
}

// livingBelow lists the processes that have a folder's name in their environment.
func livingBelow(folder string) []string {
	var pids []string
	environments, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range environments {
		data, err := os.ReadFile(path)
		if err == nil && strings.Contains(string(data), folder+"/") {
			pids = append(pids, filepath.Base(filepath.Dir(path)))
		}
	}
	return pids
}
