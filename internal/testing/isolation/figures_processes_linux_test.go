package isolation_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/harness/expect"
	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/journal"
)

// tick is the unit of the times in /proc/PID/stat.
const tick = 10 * time.Millisecond

// used is what /proc says of a process.
type used struct {
	user, system     time.Duration
	threads, fds     uint64
	resident, peak   uint64 // bytes
	written, storage uint64 // bytes
	began            time.Duration
}

// usedBy reads what /proc says of a process.
func usedBy(t *testing.T, pid int) used {
	t.Helper()
	file := func(name string) string {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
		expect.NoError(t, err)
		return string(data)
	}
	number := func(text string) uint64 {
		n, err := strconv.ParseUint(text, 10, 64)
		expect.NoError(t, err)
		return n
	}
	named := func(text, name string) uint64 {
		_, rest, _ := strings.Cut("\n"+text, "\n"+name+":")
		return number(strings.Fields(rest)[0])
	}
	stat := file("stat")
	f := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:]) // f[0] is field 3 of proc(5)
	open, err := harness.OpenFiles(pid)
	expect.NoError(t, err)
	counts := file("io")
	return used{
		user: time.Duration(number(f[11])) * tick, system: time.Duration(number(f[12])) * tick,
		threads: number(f[17]), fds: uint64(len(open)),
		resident: number(f[21]) * uint64(os.Getpagesize()), peak: named(file("status"), "VmHWM") << 10,
		written: named(counts, "wchar"), storage: named(counts, "write_bytes"),
		began: time.Duration(number(f[19])) * tick,
	}
}

// sinceBoot returns what the clock of the machine's uptime says.
func sinceBoot(t *testing.T) time.Duration {
	t.Helper()
	var now unix.Timespec
	expect.NoError(t, unix.ClockGettime(unix.CLOCK_BOOTTIME, &now))
	return time.Duration(now.Nano())
}

// freezeAll stops a process and waits until none of its threads is in the kernel.
func freezeAll(t *testing.T, pid int) {
	t.Helper()
	freeze(t, pid)
	expect.Eventually(t, func() error {
		tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
		for _, task := range tasks {
			tid, _ := strconv.Atoi(task.Name())
			if state, err := harness.State(tid); err != nil || state != "T" {
				return fmt.Errorf("thread %d is in state %s: %w", tid, state, err)
			}
		}
		return err
	})
}

// samples returns the monitor's samples of consumers in the journal of a run, with their times
// since the machine's boot.
func samples(s *running) (at []time.Duration) {
	s.t.Helper()
	_, err := journal.Replay(filepath.Join(s.RunDir, "journal"), func(rec *bulkheadv1.Record) error {
		var b bulkheadv1.Batch
		if err := proto.Unmarshal(rec.GetSessionBatch().GetBatch(), &b); err != nil {
			return err
		}
		for _, m := range b.GetMessages() {
			if m.GetMonitor() != nil {
				at = append(at, time.Duration(m.GetElapsedNano()))
			}
		}
		return nil
	})
	expect.NoError(s.t, err)
	return at
}

// What the report says that a consumer used is what /proc says of it. The consumer is stopped, so
// that both look at the same, and then killed, so that its last sample is of that moment.
func TestFiguresOfUsageAreThoseOfProc(t *testing.T) {
	t.Parallel()
	s := start(t)
	before := time.Now()
	c, err := harness.StartClient(bin, shortFolder(t, "load"), s.Addr, "watched", "--runtime", "5m", "--consumers", "1",
		"--chunk-size", "4KiB",
		"--file-size", "64KiB", "--rate-bytes", "1MiB", "--monitor-interval", "50ms", "--progress-interval", "50ms")
	expect.NoError(t, err)
	t.Cleanup(c.Kill)
	awaitSamples := func(since time.Duration, n int) {
		expect.Eventually(t, func() error {
			got := samples(s)
			got = slices.DeleteFunc(got, func(at time.Duration) bool { return at <= since })
			if len(got) < n {
				return fmt.Errorf("%d samples since then; want %d", len(got), n)
			}
			return nil
		})
	}
	awaitSamples(0, 10)
	workers, err := c.Workers("consumer")
	if err != nil || len(workers) != 1 {
		t.Fatalf("consumers %v: %v", workers, err)
	}
	seen := time.Now()
	freezeAll(t, workers[0])
	stopped, is := sinceBoot(t), usedBy(t, workers[0])
	awaitSamples(stopped, 2) // the second began after the first was done, so after the stop
	lived := time.Since(seen)
	expect.NoError(t, syscall.Kill(workers[0], syscall.SIGKILL))
	killed := sinceBoot(t)
	_, err = c.Wait(patience)
	expect.NoError(t, err)
	whole := time.Since(before)
	consumer := consumerOf(t, expect.Client(t, s.finish(exitPartial), "watched"))

	u := consumer.Usage
	if u == nil {
		t.Fatal("the report does not say what the consumer used")
	}
	for _, f := range []struct {
		name    string
		got, is uint64
	}{
		{"user_cpu_nano", uint64(u.UserCPUNano), uint64(is.user)},
		{"system_cpu_nano", uint64(u.SystemCPUNano), uint64(is.system)},
		{"written_bytes", u.WrittenBytes, is.written}, {"storage_bytes", u.StorageBytes, is.storage},
	} {
		if f.got != f.is {
			t.Errorf("%s is %d in the report and %d in /proc", f.name, f.got, f.is)
		}
	}
	// The kernel adds up each thread's pages 64 at a time.
	slack := is.threads * 64 * uint64(os.Getpagesize())
	if u.MaxResidentBytes < is.resident || u.MaxResidentBytes > is.peak+slack {
		t.Errorf("the report says that %d bytes were resident; it was at least %d and at most %d", u.MaxResidentBytes,
			is.resident, is.peak)
	}
	// Go lets no thread end; descriptors come and go.
	if uint64(u.MaxThreads) != is.threads || uint64(u.MaxFDs) < is.fds {
		t.Errorf("the report says %d threads and %d descriptors; /proc %d and %d", u.MaxThreads, u.MaxFDs, is.threads,
			is.fds)
	}
	share := func(of time.Duration) float64 { return 100 * float64(is.user+is.system) / float64(of-is.began) }
	if least, most := share(killed)-0.06, share(stopped)+0.06; u.MeanCPUPercent < least || u.MeanCPUPercent > most {
		t.Errorf("the report says a mean of %g %% of a processor; it was at least %g and at most %g", u.MeanCPUPercent,
			least, most)
	}
	within(t, "the consumer's life", consumer.RuntimeNano, lived, whole)
	if e := consumer.Exit; e == nil || e.Signal != int32(syscall.SIGKILL) ||
		time.Duration(e.UserCPUNano) < is.user-tick || time.Duration(e.SystemCPUNano) < is.system-tick {
		t.Errorf("the report says of its end %+v; it was killed after %v and %v", e, is.user, is.system)
	}
}

// counting counts what is written to a connection.
type counting struct {
	net.Conn
	bytes *atomic.Uint64
}

func (c counting) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.bytes.Add(uint64(n))
	return n, err
}

// What the report says of a handler and its client's session is what was seen of them from
// beside: life and session by the test's clock, memory by /proc, bytes at the client's socket.
func TestFiguresOfAHandlerAreThoseSeenFromBeside(t *testing.T) {
	t.Parallel()
	const messages = 400
	s := start(t, "--clients", "2", "--handler-pool", "1")
	s.settled(0, 1)
	old := s.handlers()
	spawning := time.Now() // the pool is full until this client takes a handler
	other := s.dial()
	_, err := other.Greet(rawclient.Hello("other"))
	expect.NoError(t, err)
	s.settled(1, 1)
	spawned := time.Now()
	handlers := slices.DeleteFunc(s.handlers(), func(pid int) bool { return slices.Contains(old, pid) })
	if len(handlers) != 1 {
		t.Fatalf("new handlers %v; want one", handlers)
	}
	pid := handlers[0]
	watch, err := harness.NewWatch(pid)
	expect.NoError(t, err)
	defer watch.Close()

	var sent atomic.Uint64
	dialed := time.Now()
	c, err := rawclient.Dial(t.Context(), s.Addr,
		grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
			return counting{conn, &sent}, err
		}))
	expect.NoError(t, err)
	defer c.Close()
	_, err = c.Greet(rawclient.Hello("seen"))
	expect.NoError(t, err)
	greeted := time.Now()
	for seq := uint64(1); seq <= messages; seq += 100 {
		expect.NoError(t, errors.Join(c.SendBatch(seq, seq+99), c.AwaitAck(seq+99)))
	}
	peak, parents, least := peakMemory(t, pid), peakMemory(t, s.Pid()), sent.Load()
	serving, lives := time.Since(greeted), time.Since(spawned)
	expect.NoError(t, c.Goodbye(messages))
	if err := c.End(); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	expect.NoError(t, watch.AwaitExit(patience))
	expect.NoError(t, other.Goodbye(0))
	if err := other.End(); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	rep := s.finish(exitComplete)
	session, life := time.Since(dialed), time.Since(spawning)

	client, h := expect.Client(t, rep, "seen"), expect.Handler(t, rep, pid)
	within(t, "the session", int64(client.EndedAt-client.OpenedAt), serving, session)
	if h.Exit == nil {
		t.Fatal("the report does not say how the handler ended")
	}
	within(t, "the handler's life", int64(h.Exit.EndedAt-h.Exit.StartedAt), lives, life)
	if h.ReceivedBytes < least || h.ReceivedBytes > sent.Load() {
		t.Errorf("the report says that %d bytes were received; the client sent at least %d and at most %d",
			h.ReceivedBytes, least, sent.Load())
	}
	if h.Messages != messages || h.DurableMessages != messages || client.Messages != messages {
		t.Errorf("the report says %d, %d and %d messages; %d were sent", h.Messages, h.DurableMessages, client.Messages,
			messages)
	}
	// After its last message it does nothing that takes more than one step of Go's heap.
	const most = 4 << 20
	if got := h.Exit.MaxResidentBytes; got < peak || got > peak+most {
		t.Errorf("the report says a peak of %d bytes; /proc said %d shortly before the end", got, peak)
	}
	if !raceEnabled && parents <= peak+most {
		t.Errorf("the supervisor had %d bytes and the handler %d: that does not tell one from the other", parents, peak)
	}
}
