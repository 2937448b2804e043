package isolation_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/harness/expect"
	"bulkhead/internal/testing/rawclient"
	"bulkhead/supervisor/report"
)

// visit is one connection from beginning to end. Connections of all kinds come in
// turn; the report must find each kind again.
type visit func(ctx context.Context, addr, name string) error

// closedVisit makes a whole session.
func closedVisit(ctx context.Context, addr, name string) error {
	c, err := rawclient.Dial(ctx, addr)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.Greet(rawclient.Hello(name)); err != nil {
		return err
	}
	if err := errors.Join(c.SendBatch(1, 3), c.AwaitAck(3), c.Goodbye(3)); err != nil {
		return err
	}
	if err := c.End(); !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// cutVisit makes a session whose client breaks the connection off and stays away.
func cutVisit(ctx context.Context, addr, name string) error {
	c, err := rawclient.Dial(ctx, addr)
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.Greet(rawclient.Hello(name))
	return errors.Join(err, c.SendBatch(1, 3), c.AwaitAck(3))
}

// breachVisit makes a session whose client leaves a gap.
func breachVisit(ctx context.Context, addr, name string) error {
	c, err := rawclient.Dial(ctx, addr)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.Greet(rawclient.Hello(name)); err != nil {
		return err
	}
	_ = c.Send(batchFrame(messages(7))) // End says what became of it
	if err := c.End(); status.Code(err) != codes.InvalidArgument {
		return fmt.Errorf("after a gap: %w", err)
	}
	return nil
}

// rawVisit writes bytes and then waits until it is cut off, or hangs up itself.
func rawVisit(data []byte, hangUp bool) visit {
	return func(_ context.Context, addr, _ string) error {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			return err
		}
		defer c.Close()
		if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
			return err
		}
		_, _ = c.Write(data) // being cut off is the point
		if hangUp {
			return nil
		}
		if _, err := io.Copy(io.Discard, c); isTimeout(err) {
			return err
		}
		return nil
	}
}

// traces is what connections can leave behind.
type traces struct {
	processes, zombies, descriptors, sockets int
	spawners                                 int // descriptors of the spawner
}

// tracesOf counts what a supervisor has now.
func tracesOf(t *testing.T, s *running) traces {
	t.Helper()
	files, err := harness.OpenFiles(s.Pid())
	expect.NoError(t, err)
	folders, err := os.ReadDir(s.sockets)
	expect.NoError(t, err)
	children, err := harness.Children(s.Pid(), "")
	expect.NoError(t, err)
	tr := traces{processes: len(children), descriptors: len(files), spawners: len(openFiles(t, s.spawner(0)))}
	for _, one := range folders {
		if one.IsDir() { // a child's; beside them may stand whose they are
			tr.sockets++
		}
	}
	for _, pid := range children {
		if state, err := harness.State(pid); err == nil && state == "Z" {
			tr.zombies++
		}
	}
	return tr
}

// After two hundred connections of every kind, the supervisor has the processes,
// descriptors and sockets that it had before.
func TestConnectionsLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	const rounds, atOnce, pool = 34, 4, 4
	visits := []visit{
		closedVisit, cutVisit, breachVisit,
		rawVisit(noise(4096), false), rawVisit([]byte(http2.ClientPreface[:12]), true), rawVisit(nil, true),
	}
	s := start(t, "--session-grace", "1ms", "--handler-pool", fmt.Sprint(pool))
	by := bystander(t, s, rawclient.Hello("bystander"))
	total := 1
	round := func(n int) {
		t.Helper()
		for i, v := range visits {
			expect.NoError(t, v(t.Context(), s.Addr, fmt.Sprintf("kind-%d-round-%d", i, n)))
			total++
		}
	}
	round(0) // what is made once is made now
	rest(t, s, total, pool)
	var before traces
	expect.Eventually(t, func() error { // what a handler leaves is removed after its end is known
		before = tracesOf(t, s)
		want := traces{processes: pool + 2, sockets: pool + 1, descriptors: before.descriptors,
			spawners: before.spawners}
		if before != want { // a handler for each, and the spawner
			return fmt.Errorf("a supervisor at rest has %+v; want %+v", before, want)
		}
		return nil
	})
	for range 20 { // the connections of status itself may still be closing
		before.descriptors = min(before.descriptors, tracesOf(t, s).descriptors)
	}

	errs := make(chan error, atOnce)
	numbers := make(chan int)
	var wg sync.WaitGroup
	for range atOnce {
		wg.Go(func() {
			for n := range numbers { // round n/len(visits), kind n%len(visits)
				if err := visits[n%len(visits)](t.Context(), s.Addr,
					fmt.Sprintf("kind-%d-round-%d", n%len(visits), n/len(visits))); err != nil {
					select {
					case errs <- err:
					default: // enough is known
					}
				}
			}
		})
	}
	for n := len(visits); n < rounds*len(visits); n++ {
		numbers <- n
		total++
	}
	close(numbers)
	wg.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
	rest(t, s, total, pool)
	expect.Eventually(t, func() error {
		after := tracesOf(t, s)
		after.descriptors = max(after.descriptors, before.descriptors) // fewer are fine
		if after != before {
			return fmt.Errorf("left behind after %d connections: %+v; before it was %+v", total, after, before)
		}
		return nil
	})
	by.goesOn(t)
	sent := by.finish(t)

	rep := s.finish(exitPartial)
	journalled(t, s, map[*load]uint64{by: sent})
	unharmed(t, rep, by, sent)
	outcomes := make(map[string]int)
	for _, c := range rep.Clients {
		outcomes[c.Outcome]++
	}
	if outcomes[report.OutcomeClosed] != rounds+1 || outcomes[report.OutcomeLost] != rounds ||
		outcomes[report.OutcomeRejected] != rounds {
		t.Errorf("outcomes = %v; want %d closed, %d lost and %d rejected", outcomes, rounds+1, rounds, rounds)
	}
	handlers := total
	for _, r := range rep.Rejections {
		if r.HandlerPid == 0 { // hung up before it spoke, while many others had not spoken either
			handlers--
		}
	}
	if len(rep.Rejections) != 3*rounds || len(rep.Handlers) != handlers {
		t.Errorf("the report has %d rejections and %d handlers; want %d and %d", len(rep.Rejections), len(rep.Handlers),
			3*rounds, handlers)
	}
}

// rest waits until so many connections have come and all but one are gone with their
// sessions, and the pool is full.
func rest(t *testing.T, s *running, connections, pool int) {
	t.Helper()
	expect.Eventually(t, func() error {
		st := s.status()
		if st.GetAcceptedConnections() != uint64(connections) {
			return fmt.Errorf("%d connections have come; want %d", st.GetAcceptedConnections(), connections)
		}
		for _, c := range st.GetSessions() {
			if c.GetName() != "bystander" && (c.GetState() == "active" || c.GetState() == "away") {
				return fmt.Errorf("still there: %v", c)
			}
		}
		return nil
	})
	s.settled(1, pool)
}
