package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"bulkhead/internal/testing/harness"
)

// startConsumers starts a supervisor, and a client with the load of a cell. The
// supervisor's journal is in memory: in earnest it is on another machine, and an fsync of
// it makes a disk flush what the load wrote.
func (b *bench) startConsumers(cell writeCell, dir string) (*load, error) {
	parent, err := os.MkdirTemp(memoryDisk, "bench-state-")
	if errors.Is(err, fs.ErrNotExist) { // a system without
		parent, err = newDir(b.dir)
	}
	if err != nil {
		return nil, err
	}
	l, err := b.startConsumersIn(parent, cell, dir)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(parent))
	}
	end := l.stop
	l.stop = func() error { return errors.Join(end(), os.RemoveAll(parent)) }
	return l, nil
}

func (b *bench) startConsumersIn(parent string, cell writeCell, dir string) (*load, error) {
	sync := "none"
	if cell.synced {
		sync = "file"
	}
	if cell.read != "" {
		return b.startClient(parent, cell.writers, mixedConsumers(cell, dir))
	}
	return b.startClient(parent, cell.writers, fmt.Sprintf("consumer_count: %d\nchunk_size: %s\nfile_size: "+
		"%dMiB\nkeep_files: 1\nsync: %s\ndirect: %t\nrecycle: %t\npath: %s\nruntime: %ss\n",
		cell.writers, cell.chunk, writeFileMiB, sync, cell.direct, cell.inPlace, dir, endless))
}

// startClient starts a supervisor with its state in parent, and a client with so many consumers
// and settings.
func (b *bench) startClient(parent string, consumers int, settings string) (*load, error) {
	s, err := b.supervisorIn(parent, "--clients", "1", "--linger", "0s")
	if err != nil {
		return nil, err
	}
	file := filepath.Join(b.dir, "client.yaml")
	if err := os.WriteFile(file, []byte(settings), 0o600); err != nil {
		return nil, err
	}
	client := exec.Command(filepath.Join(b.bin, "bulkhead"), "client", "--config", file, "--supervisor", s.Addr,
		"--name", "bench", "--work-dir", b.dir, "--log-level", "error")
	l, err := startLoad(client, func(pid int) (writers, others []int, err error) { return workers(pid, consumers) })
	if err != nil {
		s.Kill()
		return nil, err
	}
	end := l.stop
	l.stop = func() error { return errors.Join(end(), over(s)) }
	return l, nil
}

// over waits for a supervisor whose only client has ended.
func over(s *harness.Supervisor) error {
	defer s.Kill()
	_, err := s.Wait(time.Minute)
	return err
}

// workers waits for the processes of a client: so many consumers, and the monitor.
func workers(client, consumers int) (writers, others []int, err error) {
	for deadline := time.Now().Add(loadStart); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		writers, others = nil, []int{client}
		children, err := filepath.Glob("/proc/[0-9]*/stat")
		if err != nil {
			return nil, nil, err
		}
		for _, file := range children {
			pid, role := workerOf(file, client)
			switch role {
			case "consumer":
				writers = append(writers, pid)
			case "monitor":
				others = append(others, pid)
			}
		}
		if len(writers) == consumers && len(others) == 2 {
			return writers, others, nil
		}
		if _, err := os.Stat(fmt.Sprintf("/proc/%d/task", client)); err != nil {
			return nil, nil, errors.New("the client has ended")
		}
	}
	return nil, nil, fmt.Errorf("the client has %d consumers after %v, not %d", len(writers), loadStart, consumers)
}

// workerOf returns what a process is to a client of which it is a child: the word after
// "worker" in its command line.
func workerOf(stat string, client int) (pid int, role string) {
	data, err := os.ReadFile(stat)
	if err != nil {
		return 0, "" // it has ended
	}
	var state string
	var parent int
	text := string(data)
	if _, err := fmt.Sscan(text[strings.LastIndexByte(text, ')')+1:], &state, &parent); err != nil || parent != client {
		return 0, ""
	}
	line, _ := os.ReadFile(filepath.Join(filepath.Dir(stat), "cmdline"))
	words := strings.Split(string(line), "\x00")
	if len(words) < 3 || words[1] != "worker" {
		return 0, ""
	}
	_, err = fmt.Sscan(text, &pid)
	if err != nil {
		return 0, ""
	}
	return pid, words[2]
}
