package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"text/tabwriter"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	grpcstatus "google.golang.org/grpc/status"

	"bulkhead/internal/backoff"
	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

const (
	// connecting is how many new clients connect at a time.
	connecting = 16
	// beatEvery is how often each connected client says something, and beats how many times.
	beatEvery = 2 * time.Second
	beats     = 5
)

// beating is a client that stays connected.
type beating struct {
	*rawclient.Client
	seq uint64
}

// fleet is what many clients at once cost, over all rounds.
type fleet struct {
	sizes             []fleetSize // by bench.clients
	closing, reported spread      // seconds
}

// fleetSize is that with so many of them connected.
type fleetSize struct {
	rate               spread // new clients a second
	refused            spread // how often new ones were told to come again
	p50, p99           spread // of acks, ms
	floor              floorOfMany
	memory, share      spread // of the supervisor, MiB, and the growth of that for each client, KiB
	descriptors, tasks spread // for each client
	away               spread // clients that were cut off
}

// scale prints what many clients at once cost: how fast new ones get in while others are
// connected, how soon their messages are durable, what the supervisor has for each, and how long
// all their ends and the report take. It fails if one of them is lost.
func (b *bench) scale() error {
	f := &fleet{sizes: make([]fleetSize, len(b.clients))}
	program, err := b.build("peer")
	if err != nil {
		return err
	}
	for range b.rounds {
		if err := b.scaleOnce(f); err != nil {
			return err
		}
		if err := b.scaleBare(program, f); err != nil {
			return err
		}
	}
	fmt.Fprintf(b.out, "\n(f) many clients at once: %d new ones at a time, then a message from each every %v; the "+
		"supervisor's memory, descriptors and threads; median of %d (least–most)\n", connecting, beatEvery, b.rounds)
	t := tabwriter.NewWriter(b.out, 0, 0, 1, ' ', 0)
	fmt.Fprintln(t, "| clients\t| new a second\t| refused\t| ack p50, ms\t| ack p99, ms\t| MiB\t| KiB per client\t| "+
		"descriptors per client\t| threads per client\t| away\t|")
	fmt.Fprintln(t, "|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|")
	for i, n := range b.clients {
		s := f.sizes[i]
		b.found(fmt.Sprintf("new clients/s, %d connected", n), s.rate.text("%.0f"))
		b.found(fmt.Sprintf("ack p50 with %d clients, ms", n), s.p50.text("%.1f"))
		b.found(fmt.Sprintf("ack p99 with %d clients, ms", n), s.p99.text("%.1f"))
		b.found(fmt.Sprintf("MiB of the supervisor, %d clients", n), s.memory.text("%.0f"))
		b.found(fmt.Sprintf("cut off of %d clients", n), s.away.count())
		b.leastOfMany(n, s)
		fmt.Fprintf(t, "| %d\t| %s\t| %s\t| %s\t| %s\t| %s\t| %s\t| %s\t| %s\t| %s\t|\n", n, s.rate.text("%.0f"),
			s.refused.count(), s.p50.text("%.1f"), s.p99.text("%.1f"), s.memory.text("%.0f"), s.share.text("%.0f"),
			s.descriptors.text("%.2f"), s.tasks.text("%.2f"), s.away.count())
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if err := b.printBare(f); err != nil {
		return err
	}
	fmt.Fprintf(b.out, "all closed in %s s, and the report of them written %s s later\n", f.closing.text("%.1f"),
		f.reported.text("%.1f"))
	whole := make(spread, len(f.closing))
	for i := range whole {
		whole[i] = f.closing[i] + f.reported[i]
	}
	b.found(fmt.Sprintf("end of %d clients and their report, s", b.clients[len(b.clients)-1]), whole.text("%.1f"))
	for _, s := range f.sizes {
		if s.away.quantile(1) > 0 {
			return errors.New("clients were cut off")
		}
	}
	return nil
}

// scaleOnce lets the clients come and go once.
func (b *bench) scaleOnce(f *fleet) error {
	last := b.clients[len(b.clients)-1]
	s, err := b.supervisor("--clients", fmt.Sprint(last), "--linger", "0s", "--handler-pool", fmt.Sprint(connecting))
	if err != nil {
		return err
	}
	defer s.Kill()
	if err := b.fullPool(s, connecting); err != nil {
		return err
	}
	before, err := hold(s.Pid())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	var all []*beating
	defer func() {
		for _, c := range all {
			c.Close()
		}
	}()
	for i, n := range b.clients {
		size := &f.sizes[i]
		began, had := time.Now(), len(all)
		more, refused, err := connectAll(ctx, s.Addr, had, n)
		all = append(all, more...)
		if err != nil {
			return fmt.Errorf("%w; the supervisor's log:\n%s", err, s.Log())
		}
		size.rate = append(size.rate, float64(n-had)/time.Since(began).Seconds())
		size.refused = append(size.refused, float64(refused))
		acks, away := beatAll(all)
		size.p50, size.p99 = append(size.p50, acks.median()), append(size.p99, acks.quantile(0.99))
		now, err := hold(s.Pid())
		if err != nil {
			return err
		}
		if away == 0 { // what is seen from outside; the supervisor may know of more
			if away, err = b.away(s); err != nil {
				return err
			}
		}
		size.away = append(size.away, float64(away))
		each := float64(n)
		size.memory = append(size.memory, now.memory/(1<<20))
		size.share = append(size.share, (now.memory-before.memory)/each/(1<<10))
		size.descriptors = append(size.descriptors, (now.descriptors-before.descriptors)/each)
		size.tasks = append(size.tasks, (now.threads-before.threads)/each)
	}
	if err := f.leaveAll(s, all); err != nil {
		return fmt.Errorf("%w; the supervisor's log:\n%s", err, s.Log())
	}
	return nil
}

// holding is what a process has.
type holding struct{ memory, descriptors, threads float64 }

func hold(pid int) (holding, error) {
	memory, err := harness.PrivateMemory(pid)
	if err != nil {
		return holding{}, err
	}
	open, err := descriptors(pid)
	if err != nil {
		return holding{}, err
	}
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	return holding{float64(memory), float64(open), float64(len(threads))}, err
}

// away returns how many sessions of a supervisor are without a client.
func (b *bench) away(s *harness.Supervisor) (n int, err error) {
	st, err := b.status(s)
	for _, session := range st.Sessions {
		if session.State != "active" {
			n++
		}
	}
	return n, err
}

// fullPool waits until so many handlers wait for clients, and none starts.
func (b *bench) fullPool(s *harness.Supervisor, size int) error {
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		st, err := b.status(s)
		if err != nil || st.Ready >= size && st.Starting == 0 {
			return err
		}
		if time.Since(began) > time.Minute {
			return fmt.Errorf("%d handlers are ready, and %d start; want %d; the log:\n%s", st.Ready, st.Starting, size,
				s.Log())
		}
	}
}

// status is what a supervisor says of itself.
type status struct {
	Ready    int `json:"pool_ready"`
	Starting int `json:"pool_starting"`
	Sessions []struct {
		Name       string `json:"name"`
		State      string `json:"state"`
		HandlerPid int    `json:"handler_pid"`
	} `json:"sessions"`
}

// status asks a supervisor as an operator would.
func (b *bench) status(s *harness.Supervisor) (st status, err error) {
	out, err := exec.Command(filepath.Join(b.bin, "bulkhead"), "supervisor", "status", "--json", "--state-dir",
		s.StateDir).Output()
	if err == nil {
		err = json.Unmarshal(out, &st)
	}
	if err != nil {
		return st, fmt.Errorf("status: %w", err)
	}
	return st, nil
}

// connectAll connects clients from to up to n, connecting at a time, and returns how often one
// was told to come again.
func connectAll(ctx context.Context, addr string, from, n int) ([]*beating, int, error) {
	numbers := make(chan int)
	var mu sync.Mutex
	var all []*beating // guarded by mu
	var refused int    // guarded by mu
	var failed error   // guarded by mu
	var wg sync.WaitGroup
	for range connecting {
		wg.Go(func() { // ends with numbers
			for i := range numbers {
				c, again, err := connect(ctx, addr, fmt.Sprintf("bench-%d", i))
				mu.Lock()
				refused += again
				if err != nil {
					failed = errors.Join(failed, fmt.Errorf("client %d: %w", i, err))
				} else {
					all = append(all, c)
				}
				mu.Unlock()
			}
		})
	}
	for i := from; i < n; i++ {
		numbers <- i
	}
	close(numbers)
	wg.Wait()
	return all, refused, failed
}

// connect returns a client whose first message is durable. One that is told to come again does
// so when it was told, or after a time that grows, as a real one.
func connect(ctx context.Context, addr, name string) (_ *beating, refused int, _ error) {
	hello := rawclient.Hello(name)
	for {
		b, err := connectNow(ctx, addr, hello)
		if err == nil {
			return b, refused, nil
		}
		refused++
		if !comesAgain(ctx, err, refused) {
			return nil, refused - 1, err
		}
	}
}

// comesAgain waits until a client that was refused for err, so often in all, may come again, and reports
// whether it may.
func comesAgain(ctx context.Context, err error, refused int) bool {
	if grpcstatus.Code(err) != codes.Unavailable {
		return false
	}
	wait := backoff.Policy{First: 200 * time.Millisecond, Most: 5 * time.Second}.After(refused, rand.Float64())
	for _, detail := range grpcstatus.Convert(err).Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			wait = info.GetRetryDelay().AsDuration()
		}
	}
	select {
	case <-time.After(wait):
		return true
	case <-ctx.Done():
		return false
	}
}

func connectNow(ctx context.Context, addr string, hello *bulkheadv1.Hello) (*beating, error) {
	c, err := rawclient.Dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	b := &beating{Client: c}
	if _, err = c.Greet(hello); err == nil {
		err = b.beat()
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return b, nil
}

// beat sends a message and waits until it is durable.
func (b *beating) beat() error {
	b.seq++
	return errors.Join(b.SendBatch(b.seq, b.seq), b.AwaitAck(b.seq))
}

// beatAll makes each client say something beats times, evenly spread over beatEvery, and returns the
// milliseconds until each was durable, and how many clients were cut off.
func beatAll(all []*beating) (spread, int) {
	var mu sync.Mutex
	var acks spread // guarded by mu
	var away int    // guarded by mu
	var wg sync.WaitGroup
	for i, c := range all {
		wg.Go(func() {
			time.Sleep(beatEvery * time.Duration(i) / time.Duration(len(all)))
			tick := time.NewTicker(beatEvery)
			defer tick.Stop()
			for range beats {
				began := time.Now()
				err := c.beat()
				took := float64(time.Since(began).Microseconds()) / 1e3
				mu.Lock()
				acks = append(acks, took)
				if err != nil {
					away++
				}
				mu.Unlock()
				if err != nil {
					return
				}
				<-tick.C
			}
		})
	}
	wg.Wait()
	return acks, away
}

// leaveAll makes every client say Goodbye, and measures how long that takes and the supervisor
// then, until its report is written.
func (f *fleet) leaveAll(s *harness.Supervisor, all []*beating) error {
	began := time.Now()
	var mu sync.Mutex
	var failed error // guarded by mu
	var wg sync.WaitGroup
	for _, c := range all {
		wg.Go(func() {
			err := c.Goodbye(c.seq)
			if err == nil {
				if err = c.End(); errors.Is(err, io.EOF) {
					err = nil
				}
			}
			mu.Lock()
			failed = errors.Join(failed, err)
			mu.Unlock()
		})
	}
	wg.Wait()
	if failed != nil {
		return failed
	}
	left := time.Now()
	if code, err := s.Wait(5 * time.Minute); code != 0 || err != nil {
		return fmt.Errorf("the supervisor exited with %d: %v", code, err)
	}
	f.closing = append(f.closing, left.Sub(began).Seconds())
	f.reported = append(f.reported, time.Since(left).Seconds())
	return nil
}
