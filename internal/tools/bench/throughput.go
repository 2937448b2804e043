package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"sync"
	"text/tabwriter"
	"time"

	"google.golang.org/grpc"

	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// window is how many batches a client has on their way.
const window = 48

// throughput prints messages per second through handlers, with the journal on,
// beside one in-process gRPC collector that decodes and acknowledges, and the floor of a process for
// each client: bare ones, whose parent makes durable what they pass on.
func (b *bench) throughput() error {
	fmt.Fprintf(b.out, "\n(b) messages/s, thousands: through handlers with the journal on / one in-process gRPC "+
		"server; and the floor, bare processes of gRPC with one file; median of %d (least–most)\n", b.rounds)
	program, err := b.build("peer")
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(b.out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(t, "clients × batch\thandlers\tin-process\tratio\tfloor\tratio")
	for _, clients := range []int{1, 8} {
		for _, size := range []int{1, 16, 128} {
			name := fmt.Sprintf("%d × %d", clients, size)
			if b.cells != nil && !b.cells.MatchString(name) {
				continue
			}
			var through, inside, ratio, bare spread
			for range b.rounds {
				h, err := b.throughHandlers(clients, size, walled{})
				if err != nil {
					return err
				}
				p, err := inProcess(clients, size)
				if err != nil {
					return err
				}
				f, err := b.throughBare(program, clients, size)
				if err != nil {
					return fmt.Errorf("the floor: %w", err)
				}
				through, inside, ratio = append(through, h/1e3), append(inside, p/1e3), append(ratio, h/p)
				bare = append(bare, f/1e3)
			}
			least := through.over(bare)
			b.least("messages/s to in-process, "+name, beside(least, fmt.Sprintf("%.0f k/s", bare.median())))
			b.found("messages/s to in-process, "+name,
				fmt.Sprintf("%s, %.0f k/s", ratio.text("%.2f"), through.median()))
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", name, through.text("%.0f"), inside.text("%.0f"),
				ratio.text("%.2f"), bare.text("%.0f"), least.text("%.2f"))
		}
	}
	return t.Flush()
}

// messagesFor returns how many messages each client sends: about two seconds' worth.
func messagesFor(clients, size int) uint64 {
	perClient := map[int]int{1: 60_000, 16: 400_000, 128: 800_000}[size] / clients
	return uint64(max(perClient, size) / size * size)
}

// throughHandlers returns how many messages a second go through handlers of an arrangement.
func (b *bench) throughHandlers(clients, size int, w walled) (float64, error) {
	s, err := b.supervisor(unshared(append([]string{"--clients", fmt.Sprint(clients), "--linger", "0s",
		"--handler-pool", fmt.Sprint(max(clients, 2))}, w.args...)...)...)
	if err != nil {
		return 0, err
	}
	defer s.Kill()
	rate, err := drive(s.Addr, clients, size, w.opts...)
	if err != nil {
		return 0, fmt.Errorf("%w; the supervisor's log:\n%s", err, s.Log())
	}
	if code, err := s.Wait(time.Minute); code != 0 || err != nil {
		return 0, fmt.Errorf("the supervisor exited with %d: %v", code, err)
	}
	return rate, nil
}

// throughBare returns how many messages a second go through bare processes.
func (b *bench) throughBare(program string, clients, size int) (float64, error) {
	p, err := startPeer(program, "kept", b.dir)
	if err != nil {
		return 0, err
	}
	rate, err := drive(p.addr(), clients, size)
	if log := p.stop(); err != nil {
		return 0, fmt.Errorf("%w; its log:\n%s", err, log)
	}
	return rate, nil
}

// unshared returns the arguments of a supervisor whose clients may send as much as they can, where
// that is to be measured.
func unshared(args ...string) []string {
	return append(args, "--session-byte-rate", "0B", "--session-message-rate", "0", "--overload-journal-share", "0")
}

// supervisor starts a supervisor with a state directory of its own.
func (b *bench) supervisor(args ...string) (*harness.Supervisor, error) {
	return b.supervisorIn(b.dir, args...)
}

// supervisorIn starts a supervisor with its state in a folder of its own in parent.
func (b *bench) supervisorIn(parent string, args ...string) (*harness.Supervisor, error) {
	state, err := newDir(parent)
	if err != nil {
		return nil, err
	}
	return harness.StartSupervisor(b.bin, filepath.Join(state, "s"), args...)
}

// plain is the in-process collector: decode, acknowledge, nothing else.
type plain struct {
	bulkheadv1.UnimplementedCollectorServiceServer
}

func (plain) Collect(stream bulkheadv1.CollectorService_CollectServer) error {
	for {
		f, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		answer := &bulkheadv1.ServerFrame{}
		switch f := f.GetFrame().(type) {
		case *bulkheadv1.ClientFrame_Hello:
			answer.Frame = &bulkheadv1.ServerFrame_Welcome{Welcome: &bulkheadv1.Welcome{}}
		case *bulkheadv1.ClientFrame_Batch:
			m := f.Batch.GetMessages()
			answer.Frame = &bulkheadv1.ServerFrame_Ack{Ack: &bulkheadv1.Ack{Seq: m[len(m)-1].GetSeq()}}
		default:
			return nil
		}
		if err := stream.Send(answer); err != nil {
			return err
		}
	}
}

func inProcess(clients, size int) (float64, error) {
	addr, stop, err := startPlain()
	if err != nil {
		return 0, err
	}
	defer stop()
	return drive(addr, clients, size)
}

// startPlain starts an in-process collector.
func startPlain() (addr string, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	srv := grpc.NewServer(grpc.StaticStreamWindowSize(1<<20), grpc.StaticConnWindowSize(1<<20)) // as a handler's
	bulkheadv1.RegisterCollectorServiceServer(srv, plain{})
	var wg sync.WaitGroup
	wg.Go(func() { _ = srv.Serve(l) }) // says only that it was stopped
	return l.Addr().String(), func() {
		srv.Stop()
		wg.Wait()
	}, nil
}

// drive sends messages from so many clients at once and returns how many were
// acknowledged per second, from the first batch to the last ack.
func drive(addr string, clients, size int, opts ...grpc.DialOption) (float64, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	each := messagesFor(clients, size)
	conns := make([]*rawclient.Client, clients)
	for i := range conns {
		c, err := rawclient.Dial(ctx, addr, opts...)
		if err != nil {
			return 0, err
		}
		defer c.Close()
		if _, err := c.Greet(rawclient.Hello(fmt.Sprintf("bench-%d", i))); err != nil {
			return 0, err
		}
		conns[i] = c
	}
	errs := make(chan error, clients)
	begin := time.Now()
	for _, c := range conns {
		go func() { errs <- sendAll(c, each, uint64(size)) }() // each is received below
	}
	var all error
	for range conns {
		all = errors.Join(all, <-errs)
	}
	took := time.Since(begin)
	for _, c := range conns {
		all = errors.Join(all, c.Goodbye(each))
		if err := c.End(); !errors.Is(err, io.EOF) {
			all = errors.Join(all, err)
		}
	}
	return float64(each) * float64(clients) / took.Seconds(), all
}

// sendAll sends messages 1 to n in batches, with at most window batches on their
// way, and returns when all are acknowledged.
func sendAll(c *rawclient.Client, n, size uint64) error {
	slots := make(chan struct{}, window)
	sent := make(chan error, 1)
	go func() { // ends when all is sent, or with the connection
		for first := uint64(1); first <= n; first += size {
			slots <- struct{}{}
			if err := c.SendBatch(first, min(first+size-1, n)); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	var acked uint64
	for acked < n {
		f, err := c.Recv()
		if err != nil {
			return err
		}
		for ; acked < f.GetAck().GetSeq(); acked = min(acked+size, n) {
			<-slots
		}
	}
	return <-sent
}
