package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"text/tabwriter"
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

// budgetClients connect in each round.
const budgetClients = 300

// taken is what processes have taken for each new client, over all rounds.
type taken struct{ cpu, faults, switches spread }

// budget prints where the processor time of a new client goes, by process. It is measured from a
// full pool to a full pool, so as many handlers start as clients come.
func (b *bench) budget() error {
	names := []string{"its handler, from fork to first ack", "the supervisor", "the spawner",
		"the client itself (here)"}
	sums := make([]taken, len(names))
	all := taken{}
	for range b.rounds {
		used, err := b.budgetOnce()
		if err != nil {
			return err
		}
		whole := 0.0
		for i, u := range used {
			whole += u.cpu
			sums[i].cpu = append(sums[i].cpu, u.cpu)
			sums[i].faults, sums[i].switches = append(sums[i].faults, u.faults), append(sums[i].switches, u.switches)
		}
		all.cpu = append(all.cpu, whole)
	}
	fmt.Fprintf(b.out, "\n(k) what a new client takes, %d of them, %d at a time; median of %d (least–most)\n",
		budgetClients, connecting, b.rounds)
	t := tabwriter.NewWriter(b.out, 0, 0, 1, ' ', 0)
	fmt.Fprintln(t, "| \t| processor time, ms\t| page faults\t| context switches\t|")
	fmt.Fprintln(t, "|---\t|---\t|---\t|---\t|")
	for i, s := range sums {
		fmt.Fprintf(t, "| %s\t| %s\t| %s\t| %s\t|\n", names[i], s.cpu.text("%.2f"), s.faults.text("%.0f"),
			s.switches.text("%.0f"))
	}
	fmt.Fprintf(t, "| all\t| %s\t| \t| \t|\n", all.cpu.text("%.2f"))
	return t.Flush()
}

// use is what a process has taken: processor time in ms, page faults, and context switches.
type use struct{ cpu, faults, switches float64 }

func (u use) less(was use, each float64) use {
	return use{(u.cpu - was.cpu) / each, (u.faults - was.faults) / each, (u.switches - was.switches) / each}
}

// budgetOnce returns it for the handlers, the supervisor, its spawner and this process.
func (b *bench) budgetOnce() (out [4]use, err error) {
	s, err := b.supervisor("--clients", "1", "--linger", "1h", "--handler-pool", fmt.Sprint(connecting))
	if err != nil {
		return out, err
	}
	defer s.Kill()
	if err := b.fullPool(s, connecting); err != nil {
		return out, err
	}
	before, err := usedBy(s.Pid())
	if err != nil {
		return out, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	all, _, err := connectAll(ctx, s.Addr, 0, budgetClients)
	for _, c := range all {
		defer c.Close()
	}
	if err != nil {
		return out, fmt.Errorf("%w; the supervisor's log:\n%s", err, s.Log())
	}
	own, err := usedOf(os.Getpid()) // before it looks at all the others
	if err == nil {
		err = b.fullPool(s, connecting)
	}
	if err != nil {
		return out, err
	}
	after, err := usedBy(s.Pid())
	after[3] = own
	for i := range out {
		out[i] = after[i].less(before[i], budgetClients)
	}
	return out, err
}

// usedBy returns what the handlers of a supervisor, itself, its spawner and this process have taken.
func usedBy(pid int) (out [4]use, err error) {
	for i, name := range []string{"bulkhead-handler", "", harness.Spawner} {
		pids := []int{pid}
		if name != "" {
			if pids, err = harness.Children(pid, name); err != nil {
				return out, err
			}
		}
		for _, p := range pids {
			u, err := usedOf(p)
			if errors.Is(err, fs.ErrNotExist) && p != pid {
				continue // a handler of which there was one too many: what it took is not known
			}
			if err != nil {
				return out, err
			}
			out[i] = use{out[i].cpu + u.cpu, out[i].faults + u.faults, out[i].switches + u.switches}
		}
	}
	out[3], err = usedOf(os.Getpid())
	return out, err
}

// usedOf returns what a process has taken, as far as its threads live.
func usedOf(pid int) (u use, err error) {
	cpu, err := processorTime([]int{pid})
	if err != nil {
		return u, err
	}
	u.cpu = cpu.Seconds() * 1e3
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return u, err
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	const minor, major = 7, 9 // from the state on, proc_pid_stat(5)
	for _, i := range []int{minor, major} {
		n, e := strconv.ParseFloat(strings.Fields(rest)[i], 64)
		u.faults, err = u.faults+n, errors.Join(err, e)
	}
	tasks, e := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	err = errors.Join(err, e)
	for _, t := range tasks {
		status, e := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/status", pid, t.Name()))
		err = errors.Join(err, e)
		for line := range strings.Lines(string(status)) {
			if _, count, ok := strings.Cut(line, "voluntary_ctxt_switches:"); ok { // and nonvoluntary
				n, e := strconv.ParseFloat(strings.TrimSpace(count), 64)
				u.switches, err = u.switches+n, errors.Join(err, e)
			}
		}
	}
	return u, err
}
