package main

import (
	"cmp"
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

const (
	// loadWarmUp is how long a load runs before it is measured.
	loadWarmUp = 500 * time.Millisecond
	// loadWindow is how long it is measured.
	loadWindow = 1500 * time.Millisecond
	// loadStart bounds the wait for the bytes that come before.
	loadStart = 30 * time.Second
)

// load is a program at work, measured from outside: what it passed to write(2) and the
// processor time it took, both from /proc, over one window. So one clock measures
// every program, and what a program does between its writes counts.
type load struct {
	counter string // of /proc/PID/io, what is measured; "" is what is written
	warm    uint64 // bytes of that before it is measured
	writers []int  // process ids
	others  []int  // that belong to it and do not write
	stop    func() error
}

// pace is what a load did.
type pace struct {
	megabytes float64 // a second
	cost      float64 // ms of processor time of the writers for each GB
	rest      float64 // processor time of the others, as a part of one core
}

// measure returns the pace of a load.
func (l *load) measure() (pace, error) {
	deadline := time.Now().Add(loadStart)
	for {
		bytes, err := l.counted()
		if err != nil {
			return pace{}, err
		}
		if bytes > l.warm {
			break
		}
		if time.Now().After(deadline) {
			break // it is as slow as that; measure sees whether it is at work at all
		}
		time.Sleep(10 * time.Millisecond)
	}
	time.Sleep(loadWarmUp)
	before, err := l.usage()
	if err != nil {
		return pace{}, err
	}
	time.Sleep(loadWindow)
	after, err := l.usage()
	if err != nil {
		return pace{}, err
	}
	elapsed, bytes := after.at.Sub(before.at).Seconds(), float64(after.bytes-before.bytes)
	if bytes == 0 {
		return pace{}, errors.New("nothing was written, or read, in the time measured")
	}
	return pace{
		megabytes: bytes / 1e6 / elapsed,
		cost:      (after.writers - before.writers).Seconds() * 1e3 / (bytes / 1e9),
		rest:      (after.others - before.others).Seconds() / elapsed,
	}, nil
}

// usage is what the processes of a load have used since they began.
type usage struct {
	at              time.Time
	bytes           uint64
	writers, others time.Duration
}

func (l *load) usage() (u usage, err error) {
	u.at = time.Now()
	if u.bytes, err = l.counted(); err != nil {
		return u, err
	}
	if u.writers, err = processorTime(l.writers); err != nil {
		return u, err
	}
	u.others, err = processorTime(l.others)
	return u, err
}

// counted returns what the processes of a load passed to write(2), or got from read(2).
func (l *load) counted() (uint64, error) { return ioBytes(l.writers, cmp.Or(l.counter, "wchar: ")) }

// ioBytes adds up a counter of /proc/PID/io.
func ioBytes(pids []int, counter string) (total uint64, err error) {
	for _, pid := range pids {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
		if err != nil {
			return 0, err
		}
		var n uint64
		_, text, found := strings.Cut(string(data), counter)
		if _, err := fmt.Sscan(text, &n); !found || err != nil {
			return 0, fmt.Errorf("reading /proc/%d/io: no %sin it", pid, counter)
		}
		total += n
	}
	return total, nil
}

// processorTime returns the time that the threads of processes were on a processor, in
// nanoseconds from /proc/PID/task/TID/schedstat: /proc/PID/stat has it in units of
// 10 ms. A thread that has ended is not in it; none of those measured ends.
func processorTime(pids []int) (total time.Duration, err error) {
	for _, pid := range pids {
		files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
		if err != nil || len(files) == 0 {
			return 0, fmt.Errorf("process %d has no threads: %w", pid, errors.Join(err, os.ErrNotExist))
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				return 0, err
			}
			var n time.Duration
			if _, err := fmt.Sscan(string(data), &n); err != nil {
				return 0, fmt.Errorf("reading %s: %w", file, err)
			}
			total += n
		}
	}
	return total, nil
}

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
