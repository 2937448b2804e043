package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"bulkhead/internal/testing/harness"
)

// startsAtOnce processes of a kind are started in a round, connecting at a time, as (f) has
// clients connect.
const startsAtOnce = 200

// started is what starting a process cost.
type started struct {
	rate    float64 // a second
	wall    spread  // ms each
	cpu     float64 // ms each, of the one that starts it included
	private spread  // MiB each
}

// execs starts processes that end at once.
func execs(program string) (started, error) {
	return starts(func(int) (syscall.WaitStatus, error) {
		pid, err := syscall.ForkExec(program, []string{program}, &syscall.ProcAttr{})
		if err != nil {
			return 0, err
		}
		var status syscall.WaitStatus
		_, err = syscall.Wait4(pid, &status, 0, nil)
		return status, err
	})
}

// starts calls one for each process, and measures.
func starts(one func(i int) (syscall.WaitStatus, error)) (started, error) {
	var mu sync.Mutex
	var out started  // guarded by mu
	var failed error // guarded by mu
	numbers := make(chan int)
	before, began := processorTimes(), time.Now()
	var wg sync.WaitGroup
	for range connecting {
		wg.Go(func() { // ends with numbers
			for i := range numbers {
				begin := time.Now()
				status, err := one(i)
				took := float64(time.Since(begin).Microseconds()) / 1e3
				mu.Lock()
				out.wall = append(out.wall, took)
				if status != 0 {
					err = errors.Join(err, fmt.Errorf("process %d ended with %#x", i, status))
				}
				failed = errors.Join(failed, err)
				mu.Unlock()
			}
		})
	}
	for i := range startsAtOnce {
		numbers <- i
	}
	close(numbers)
	wg.Wait()
	out.rate = startsAtOnce / time.Since(began).Seconds()
	out.cpu = (processorTimes() - before).Seconds() * 1e3 / startsAtOnce
	return out, failed
}

// processorTimes returns the processor time of this process and of its children that have ended.
func processorTimes() (sum time.Duration) {
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if syscall.Getrusage(who, &u) == nil { // which never fails
			sum += time.Duration(u.Utime.Nano() + u.Stime.Nano())
		}
	}
	return sum
}

// listeners starts Go processes that listen, dials each, and lets them live until all are there:
// what any Go process for each client costs at least.
func listeners(program string) (started, error) {
	dir, err := os.MkdirTemp("", "bare-") // a path short enough for sockets
	if err != nil {
		return started{}, err
	}
	defer os.RemoveAll(dir)
	var mu sync.Mutex
	var pids []int       // guarded by mu
	var conns []net.Conn // guarded by mu
	before := processorTimes()
	out, err := starts(func(i int) (syscall.WaitStatus, error) {
		pid, conn, err := listener(program, filepath.Join(dir, fmt.Sprint(i)))
		mu.Lock()
		defer mu.Unlock()
		if pid > 0 {
			pids = append(pids, pid)
		}
		if conn != nil {
			conns = append(conns, conn)
		}
		return 0, err
	})
	for _, pid := range pids {
		m, e := harness.PrivateMemory(pid)
		out.private, err = append(out.private, float64(m)/(1<<20)), errors.Join(err, e)
	}
	for _, c := range conns {
		c.Close()
	}
	for _, pid := range pids {
		if err != nil {
			_ = syscall.Kill(pid, syscall.SIGKILL) // nobody may have dialled it
		}
		var status syscall.WaitStatus
		if _, e := syscall.Wait4(pid, &status, 0, nil); e != nil || status != 0 {
			err = errors.Join(err, fmt.Errorf("process %d: status %#x: %w", pid, status, e))
		}
	}
	out.cpu = (processorTimes() - before).Seconds() * 1e3 / startsAtOnce
	return out, err
}

// listener starts one and returns when it has answered.
func listener(program, path string) (pid int, _ net.Conn, err error) {
	ready, stdout, err := os.Pipe()
	if err != nil {
		return 0, nil, err
	}
	defer ready.Close()
	pid, err = syscall.ForkExec(program, []string{program, "listen", path},
		&syscall.ProcAttr{Files: []uintptr{stdout.Fd(), stdout.Fd(), 2}})
	stdout.Close()
	if err != nil {
		return 0, nil, err
	}
	var b [1]byte
	if _, err := ready.Read(b[:]); err != nil {
		return pid, nil, err
	}
	c, err := net.Dial("unix", path)
	if err != nil {
		return pid, nil, err
	}
	if _, err = c.Write(b[:]); err == nil {
		_, err = c.Read(b[:])
	}
	return pid, c, err
}
