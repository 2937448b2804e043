package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/rawclient"
)

// memoryClients is how many clients are connected while memory is measured.
const memoryClients = 200

// memory prints the private memory of a connected handler, and the supervisor's share of
// memory and descriptors for each client.
func (b *bench) memory() error {
	s, err := b.supervisor("--clients", fmt.Sprint(memoryClients), "--linger", "0s")
	if err != nil {
		return err
	}
	defer s.Kill()
	before, err := harness.PrivateMemory(s.Pid())
	if err != nil {
		return err
	}
	open, err := descriptors(s.Pid())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	for i := range memoryClients {
		c, err := rawclient.Dial(ctx, s.Addr)
		if err != nil {
			return err
		}
		defer c.Close()
		if _, err := c.Greet(rawclient.Hello(fmt.Sprintf("bench-%d", i))); err != nil {
			return fmt.Errorf("%w; the supervisor's log:\n%s", err, s.Log())
		}
		if err := c.SendBatch(1, 16); err != nil {
			return err
		}
		if err := c.AwaitAck(16); err != nil {
			return err
		}
	}
	after, err := harness.PrivateMemory(s.Pid())
	if err != nil {
		return err
	}
	opened, err := descriptors(s.Pid())
	if err != nil {
		return err
	}
	each, err := handlersMemory(s)
	if err != nil {
		return err
	}
	fmt.Fprintf(b.out, "\n(c) private memory with %d clients connected, MiB\n", memoryClients)
	fmt.Fprintf(b.out, "per handler %s (%d handlers, warm ones included)   supervisor's share per client %.2f, and "+
		"%.1f descriptors\n", each.text("%.2f"), len(each), float64(after-before)/memoryClients/(1<<20),
		float64(opened-open)/memoryClients)
	b.found("MiB of a handler", each.text("%.2f"))
	b.found("MiB of the supervisor per client", fmt.Sprintf("%.2f", float64(after-before)/memoryClients/(1<<20)))
	b.found("descriptors per client", fmt.Sprintf("%.1f", float64(opened-open)/memoryClients))
	return b.writersMemory()
}

// handlersMemory returns the private memory of each of a supervisor's handlers, in MiB.
func handlersMemory(s *harness.Supervisor) (each spread, err error) {
	pids, err := harness.Children(s.Pid(), "bulkhead-handler")
	if err != nil {
		return nil, err
	}
	for _, pid := range pids {
		m, err := harness.PrivateMemory(pid)
		if err != nil {
			return nil, err
		}
		each = append(each, float64(m)/(1<<20))
	}
	return each, nil
}

// descriptors returns how many descriptors a process has open.
func descriptors(pid int) (int, error) {
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	return len(open), err
}

// manyWriters are loads of one consumer each.
var manyWriters = []struct {
	chunk   string
	bytes   int // of a chunk
	writers int
	data    string
}{
	{"4KiB", 4 << 10, 1, "random"},
	{"4KiB", 4 << 10, 256, "random"},
	{"4KiB", 4 << 10, 256, "dedupable:50"},
	{"64KiB", 64 << 10, 64, "random"},
	{"1MiB", 1 << 20, 16, "random"},
	{"16MiB", 16 << 20, 8, "random"},
}

// writersMemory prints the private memory of a consumer with many writers, beside the chunks that
// they write at once.
func (b *bench) writersMemory() error {
	fmt.Fprintf(b.out, "\nprivate memory of a consumer, MiB: in all, and beyond that of one with one writer; the "+
		"ratio of that to the chunks written at once\n")
	t := tabwriter.NewWriter(b.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "load\tmemory\tbeyond\tat once\tratio")
	var one float64
	for i, c := range manyWriters {
		bytes, err := b.memoryOfWriters(c.chunk, c.bytes, c.writers, c.data)
		if err != nil {
			return errors.Join(fmt.Errorf("%s × %d: %w", c.chunk, c.writers, err), t.Flush())
		}
		memory, chunks := float64(bytes)/(1<<20), float64(c.bytes*c.writers)/(1<<20)
		if i == 0 {
			one = memory
		}
		fmt.Fprintf(t, "%s × %d, %s\t%.1f\t%.1f\t%.1f\t%.1f\n", c.chunk, c.writers, c.data, memory, memory-one, chunks,
			(memory-one)/chunks)
	}
	return t.Flush()
}

// memoryOfWriters returns the memory of a consumer whose writers have all written some.
func (b *bench) memoryOfWriters(chunk string, bytes, writers int, data string) (memory uint64, err error) {
	dir, err := newDir(b.dir)
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	l, err := b.startClient(dir, 1, fmt.Sprintf("consumer_count: 1\nconcurrency: %d\ndata: %s\nchunk_size: "+
		"%s\nfile_size: %s\nkeep_files: 1\nsync: none\nreserve: 0\npath: %s\nruntime: %ss\n",
		writers, data, chunk, chunk, dir+"/load", endless))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, l.stop()) }()
	for deadline := time.Now().Add(loadStart); ; time.Sleep(10 * time.Millisecond) {
		written, err := l.counted()
		if err != nil {
			return 0, err
		}
		if written >= uint64(4*bytes*writers)+1<<20 {
			return harness.PrivateMemory(l.writers[0])
		}
		if time.Now().After(deadline) {
			return 0, fmt.Errorf("%d bytes were written in %v", written, loadStart)
		}
	}
}
