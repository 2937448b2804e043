package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"sync"
	"text/tabwriter"
	"time"

	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

const (
	// soakBeat is how often a client of (s) says what a client with one consumer says: a
	// heartbeat round, the progress of the consumer, a sample of it.
	soakBeat = 5 * time.Second
	// soakSample is how often the memory is read, soakShort if there is less than an hour.
	soakSample = time.Minute
	soakShort  = 10 * time.Second
	// soakConsumer is the process id of every client's consumer.
	soakConsumer = 4711
)

// soaked is one supervisor under load, and its memory in MiB as it was read.
type soaked struct {
	*harness.Supervisor
	title  string
	web    string // address for browsers; "" for none
	all    []*beating
	memory spread
}

// soak keeps clients heart-beating for as long as hold says, with two supervisors at the same
// time, one of which serves browsers too, and prints whether their memory grows. (s) is not part
// of the usual measurements: it is only asked for by name.
func (b *bench) soak(hold time.Duration) error {
	n := b.clients[0]
	every := soakSample
	if hold < time.Hour {
		every = soakShort
	}
	fmt.Fprintf(b.out, "\n(s) the supervisor's private memory with %d clients, each with a heartbeat, progress and a "+
		"sample every %v, for %v\n", n, soakBeat, hold)
	ctx, cancel := context.WithCancel(context.Background())
	var beats sync.WaitGroup
	sides := []*soaked{{title: "plain"}, {title: "with --http"}}
	defer func() {
		cancel()
		beats.Wait()
		for _, s := range sides {
			if s.Supervisor != nil {
				s.Kill()
			}
		}
	}()
	failed := make(chan error, 2*n) // there is room for one of each client
	for _, s := range sides {
		if err := s.start(ctx, b, n); err != nil {
			return err
		}
		for i, c := range s.all {
			beats.Go(func() { // ends with ctx
				defer c.Close()
				first := time.NewTimer(soakBeat * time.Duration(i) / time.Duration(n))
				defer first.Stop()
				if err := c.soak(ctx, first.C); err != nil && ctx.Err() == nil {
					failed <- fmt.Errorf("client %d, %s: %w", i, s.title, err)
				}
			})
		}
	}
	over := time.NewTimer(hold)
	defer over.Stop()
	sample := time.NewTicker(every)
	defer sample.Stop()
	began := time.Now()
	for more := true; more; {
		select {
		case err := <-failed:
			return err
		case <-over.C:
			more = false
		case <-sample.C:
		}
		fmt.Fprintf(b.out, "%8s", time.Since(began).Round(time.Second))
		for _, s := range sides {
			if err := s.sample(); err != nil {
				return err
			}
			fmt.Fprintf(b.out, "   %s %.1f MiB", s.title, s.memory[len(s.memory)-1])
		}
		fmt.Fprintln(b.out)
	}
	t := tabwriter.NewWriter(b.out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(t, "supervisor\tfirst, MiB\tlast, MiB\tmedian (extremes)\tslope of the second half, MiB an hour")
	for _, s := range sides {
		m := s.memory
		half := m[len(m)/2:]
		slope, noise := half.slope()
		hourly := float64(time.Hour / every)
		fmt.Fprintf(t, "%s\t%.1f\t%.1f\t%s\t%+.1f ± %.1f\n", s.title, m[0], m[len(m)-1], m.text("%.1f"), slope*hourly,
			2*noise*hourly)
		b.found(fmt.Sprintf("MiB an hour, %d clients, %s", n, s.title), fmt.Sprintf("%+.1f ± %.1f", slope*hourly,
			2*noise*hourly))
	}
	return t.Flush()
}

// start starts the supervisor and connects its clients.
func (s *soaked) start(ctx context.Context, b *bench, n int) (err error) {
	args := []string{"--clients", fmt.Sprint(n), "--keep-running", "--handler-pool", fmt.Sprint(connecting)}
	if s.title != "plain" {
		args = append(args, "--http", "127.0.0.1:0")
	}
	if s.Supervisor, err = b.supervisor(args...); err != nil {
		return err
	}
	if s.title != "plain" {
		line, err := s.Await(time.Minute, func(l harness.LogLine) bool { return l.Text("url") != "" })
		if err != nil {
			return err
		}
		s.web = line.Text("url")
	}
	if s.all, _, err = connectAll(ctx, s.Addr, 0, n); err != nil {
		return fmt.Errorf("%w; the supervisor's log:\n%s", err, s.Log())
	}
	return nil
}

// sample looks at the supervisor as a browser and a collector of metrics do, and reads its memory.
func (s *soaked) sample() error {
	if s.web != "" {
		for _, page := range []string{"report", "api/status", "metrics"} {
			answer, err := http.Get(s.web + page)
			if err != nil {
				return err
			}
			_, err = io.Copy(io.Discard, answer.Body)
			if err = errors.Join(err, answer.Body.Close()); err != nil {
				return fmt.Errorf("loading %s: %w", page, err)
			}
		}
	}
	memory, err := harness.PrivateMemory(s.Pid())
	s.memory = append(s.memory, float64(memory)/(1<<20))
	return err
}

// soak sends what a client says, from first on and until ctx is done.
func (b *beating) soak(ctx context.Context, first <-chan time.Time) error {
	select {
	case <-first:
	case <-ctx.Done():
		return nil
	}
	tick := time.NewTicker(soakBeat)
	defer tick.Stop()
	for round := uint64(1); ; round++ {
		batch := b.round(round)
		if err := b.Send(&bulkheadv1.ClientFrame{Frame: &bulkheadv1.ClientFrame_Batch{Batch: batch}}); err != nil {
			return err
		}
		if err := b.AwaitAck(b.seq); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// round returns the messages of a round.
func (b *beating) round(round uint64) *bulkheadv1.Batch {
	now := time.Now().UnixNano()
	consumer := &bulkheadv1.Process{Kind: bulkheadv1.ProcessKind_PROCESS_KIND_CONSUMER, Pid: soakConsumer}
	client := &bulkheadv1.Process{Kind: bulkheadv1.ProcessKind_PROCESS_KIND_CLIENT, Pid: soakConsumer - 1}
	progress := rawclient.Message(b.seq + 2)
	progress.GetProgress().IntervalNano = int64(soakBeat)
	batch := &bulkheadv1.Batch{Messages: []*bulkheadv1.Message{
		{Seq: b.seq + 1, TimeUnixNano: now, Process: client,
			Fact: &bulkheadv1.Message_Heartbeat{Heartbeat: &bulkheadv1.Heartbeat{
				Round: round, StartedUnixNano: now, TimeoutNano: int64(soakBeat),
				Answers: []*bulkheadv1.HeartbeatAnswer{{Process: consumer, LatencyNano: 40_000 + now%90_000,
					State: bulkheadv1.WorkerState_WORKER_STATE_WORKING}},
			}}},
		progress,
		{Seq: b.seq + 3, TimeUnixNano: now, Process: consumer,
			Fact: &bulkheadv1.Message_Monitor{Monitor: &bulkheadv1.Monitor{
				UserCpuNano: int64(round) * 1e7, SystemCpuNano: int64(round) * 3e7, ResidentBytes: 9<<20 + round<<10,
				Threads: 7, Fds: 9, WrittenBytes: round * 64 << 20, StorageBytes: round * 64 << 20,
				ElapsedNano: int64(round) * int64(soakBeat),
			}}},
	}}
	b.seq += uint64(len(batch.Messages))
	return batch
}

// slope returns by how much a figure rises from one sample to the next, by least squares, and the
// standard error of that.
func (s spread) slope() (slope, deviation float64) {
	n := float64(len(s))
	if n < 3 {
		return 0, math.Inf(1)
	}
	mean, middle := 0.0, (n-1)/2
	for _, v := range s {
		mean += v / n
	}
	var xx, xy float64
	for i, v := range s {
		x := float64(i) - middle
		xx, xy = xx+x*x, xy+x*(v-mean)
	}
	slope = xy / xx
	var rest float64
	for i, v := range s {
		e := v - mean - slope*(float64(i)-middle)
		rest += e * e
	}
	return slope, math.Sqrt(rest / (n - 2) / xx)
}
