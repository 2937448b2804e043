package conformance_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"

	"bulkhead/handler/conformance"
	"bulkhead/internal/testing/harness/expect"
	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// client is a client that somebody starts by hand; it returns when it is at its end.
type client func(ctx context.Context, addr string) error

// connect opens a connection and says Hello as h, up to the Welcome.
func connect(ctx context.Context, addr string, h *bulkheadv1.Hello) (*rawclient.Client, *bulkheadv1.Welcome, error) {
	c, err := rawclient.Dial(ctx, addr)
	if err != nil {
		return nil, nil, err
	}
	w, err := c.Greet(h)
	if err != nil {
		c.Close()
		return nil, nil, err
	}
	return c, w, nil
}

// orderly sends batches of size messages, last ones up to last, with at most window of them
// unacknowledged, and connects again whatever happens, when it is asked to.
func orderly(last, size, window uint64) client {
	return func(ctx context.Context, addr string) error {
		h, drained := rawclient.Hello("orderly"), false
		for {
			err := session(ctx, addr, h, last, size, window, &drained)
			var again interface{ GRPCStatus() *status.Status }
			switch {
			case err == nil:
				return nil
			case !errors.As(err, &again) || again.GRPCStatus().Code().String() != "Unavailable":
				return err
			}
			wait := 50 * time.Millisecond
			for _, d := range again.GRPCStatus().Details() {
				if info, ok := d.(*errdetails.RetryInfo); ok {
					wait = info.GetRetryDelay().AsDuration()
				}
			}
			select {
			case <-time.After(wait):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
}

func session(ctx context.Context, addr string, h *bulkheadv1.Hello, last, size, window uint64, drained *bool) error {
	c, w, err := connect(ctx, addr, h)
	if err != nil {
		return err
	}
	defer c.Close()
	h.RunId = w.GetRunId()
	size = min(size, uint64(w.GetLimits().GetMaxBatchMessages()))
	window = min(window, uint64(w.GetLimits().GetMaxUnackedBatches()))
	sent, acked := w.GetResumeAfter(), w.GetResumeAfter()
	for acked < last && !*drained || acked < sent {
		for !*drained && sent < last && sent-acked <= size*(window-1) {
			n := min(size, last-sent)
			if err := c.SendBatch(sent+1, sent+n); err != nil {
				return err
			}
			sent += n
		}
		f, err := c.Recv()
		if err != nil {
			return err
		}
		if f.GetDrain() != nil {
			*drained = true
		}
		acked = max(acked, f.GetAck().GetSeq())
	}
	if err := c.Goodbye(sent); err != nil {
		return err
	}
	if err := c.End(); !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// address finds the address in what a run says before it waits for a client.
type address struct{ found chan string }

func (a address) Write(p []byte) (int, error) {
	if _, addr, said := strings.Cut(strings.TrimSpace(string(p)), "connects to "); said {
		a.found <- addr
	}
	return len(p), nil
}

// try plays a scenario to a client and returns how it went.
func try(t *testing.T, scenario string, c client) conformance.Outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), expect.Patience)
	defer cancel()
	at := address{make(chan string, 1)}
	ended := make(chan struct{})
	go func() { // ends with ctx
		defer close(ended)
		select {
		case addr := <-at.found:
			_ = c(ctx, addr) // what matters is what the other side says
		case <-ctx.Done():
		}
	}()
	res, err := conformance.Run(ctx,
		conformance.Config{Only: []string{scenario}, Patience: 3 * time.Second, Progress: at})
	expect.NoError(t, err)
	cancel()
	<-ended
	return res.Scenarios[0]
}

// A client that keeps the rules passes every scenario.
func TestAnOrderlyClientPasses(t *testing.T) {
	t.Parallel()
	for _, scenario := range conformance.Scenarios() {
		t.Run(scenario, func(t *testing.T) {
			t.Parallel()
			if got := try(t, scenario, orderly(30, 4, 8)); got.Verdict != conformance.Passed {
				t.Errorf("%s: %s; want passed", got.Verdict, got.Why)
			}
		})
	}
}

// hasty acts as a client that does not wait for the Welcome.
func hasty(ctx context.Context, addr string) error {
	c, err := rawclient.Dial(ctx, addr)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Send(&bulkheadv1.ClientFrame{
		Frame: &bulkheadv1.ClientFrame_Hello{Hello: rawclient.Hello("hasty")}}); err != nil {
		return err
	}
	if err := c.SendBatch(1, 2); err != nil {
		return err
	}
	return c.End()
}

// after returns a client that does something of its own after the Welcome.
func after(do func(c *rawclient.Client) error) client {
	return func(ctx context.Context, addr string) error {
		c, _, err := connect(ctx, addr, rawclient.Hello("wrong"))
		if err != nil {
			return err
		}
		defer c.Close()
		if err := do(c); err != nil {
			return err
		}
		return c.End()
	}
}

// returning returns a client that comes twice: it sends something on its first connection, and
// something else on its second, as second, after its first has ended.
func returning(first, second func(c *rawclient.Client, w *bulkheadv1.Welcome) error,
	again func() *bulkheadv1.Hello) client {
	return func(ctx context.Context, addr string) error {
		c, w, err := connect(ctx, addr, again())
		if err == nil {
			if err = first(c, w); err == nil {
				err = c.End()
			}
			c.Close()
		}
		if err == nil {
			return errors.New("the first connection was not broken")
		}
		c, w, err = connect(ctx, addr, again())
		if err != nil {
			return err
		}
		defer c.Close()
		if err := second(c, w); err != nil {
			return err
		}
		return c.End()
	}
}

// same gives the same Hello every time.
func same() func() *bulkheadv1.Hello {
	h := rawclient.Hello("again")
	return func() *bulkheadv1.Hello { return h }
}

func send(first, last uint64) func(*rawclient.Client, *bulkheadv1.Welcome) error {
	return func(c *rawclient.Client, _ *bulkheadv1.Welcome) error { return c.SendBatch(first, last) }
}

// lost returns a client whose run is not known when it is back; next makes its third Hello of
// its second.
func lost(next func(*bulkheadv1.Hello)) client {
	return func(ctx context.Context, addr string) error {
		h := rawclient.Hello("lost")
		c, w, err := connect(ctx, addr, h)
		if err != nil {
			return err
		}
		_ = errors.Join(c.SendBatch(1, 1), c.AwaitAck(1), c.SendBatch(2, 2), c.End()) // it is cut
		c.Close()
		h.RunId = w.GetRunId()
		if c, _, err = connect(ctx, addr, h); err == nil {
			c.Close()
			return errors.New("its run is known")
		}
		next(h)
		if c, _, err = connect(ctx, addr, h); err != nil {
			return err
		}
		defer c.Close()
		return errors.Join(c.SendBatch(1, 1), c.AwaitAck(1), c.Goodbye(1), c.End())
	}
}

// ofItsOwn makes a Hello one of a client that goes on with the session after message 1.
func ofItsOwn(h *bulkheadv1.Hello) {
	h.Continues = &bulkheadv1.Continuation{RunId: h.RunId, ClientId: h.ClientId, After: 1}
	h.ClientId, h.RunId = rawclient.Hello("").ClientId, ""
}

func TestAClientMayGoOnInAnotherRun(t *testing.T) {
	t.Parallel()
	if got := try(t, "lost-run", lost(ofItsOwn)); got.Verdict != conformance.Passed ||
		!strings.Contains(got.Why, "session of its own") {
		t.Errorf("%s: %q; want passed", got.Verdict, got.Why)
	}
}

// orderlyForever reports on and on, and reads nothing but Acks in what it is told.
func orderlyForever(ctx context.Context, addr string) error {
	c, _, err := connect(ctx, addr, rawclient.Hello("on and on"))
	if err != nil {
		return err
	}
	defer c.Close()
	for seq := uint64(1); ; seq++ {
		if err := errors.Join(c.SendBatch(seq, seq), c.AwaitAck(seq)); err != nil {
			return err
		}
	}
}

// lie reads nothing until the other side has had enough.
func lie(c *rawclient.Client) error {
	<-c.Context().Done()
	return c.Context().Err()
}

// Each way of breaking a rule is found, by the scenario that is for it.
func TestWrongClientsFail(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, scenario string
		client         client
		why            string
	}{
		{"nobody comes", "session", func(context.Context, string) error { return nil }, "no client"},
		{"a Batch before the Welcome", "session", hasty, "sent a Batch before the Welcome"},
		{"numbers with a gap", "session", after(func(c *rawclient.Client) error {
			return c.SendBatch(2, 3)
		}), "sequence gap: message 2 came where 1 was expected"},
		{"a first frame that is no Hello", "session", func(ctx context.Context, addr string) error {
			c, err := rawclient.Dial(ctx, addr)
			if err != nil {
				return err
			}
			defer c.Close()
			return errors.Join(c.SendBatch(1, 1), c.End())
		}, "first frame is not a Hello"},
		{"a Hello without a name", "session", func(ctx context.Context, addr string) error {
			_, _, err := connect(ctx, addr, rawclient.Hello(""))
			return err
		}, "Hello.name has 0 bytes"},
		{"no Goodbye", "session", after(func(c *rawclient.Client) error {
			return errors.Join(c.SendBatch(1, 1), c.AwaitAck(1), c.CloseSend())
		}), "ended its stream without a Goodbye"},
		{"a Goodbye before the acks", "window", after(func(c *rawclient.Client) error {
			return errors.Join(c.SendBatch(1, 1), c.Goodbye(1))
		}), "Goodbye before everything was acknowledged"},
		{"a wrong Goodbye", "session", after(func(c *rawclient.Client) error {
			return errors.Join(c.SendBatch(1, 1), c.AwaitAck(1), c.Goodbye(2))
		}), "says that message 2 was the last; it is 1"},
		{"a Batch that is too long", "limits", after(func(c *rawclient.Client) error {
			return c.SendBatch(1, 3)
		}), "Batch has 3 messages; at most 2 are allowed"},
		{"more than the window", "window", after(func(c *rawclient.Client) error {
			return errors.Join(c.SendBatch(1, 1), c.SendBatch(2, 2), c.SendBatch(3, 3))
		}), "Limits.max_unacked_batches is 2"},
		{"another id after a cut", "kill", returning(send(1, 1), send(2, 2), func() *bulkheadv1.Hello {
			return rawclient.Hello("new")
		}), "another Hello.client_id"},
		{"nothing again after a cut", "cut", returning(func(c *rawclient.Client, _ *bulkheadv1.Welcome) error {
			return errors.Join(c.SendBatch(1, 1), c.AwaitAck(1), c.SendBatch(2, 2))
		}, send(3, 3), same()), "sequence gap: message 3 came where 2 was expected"},
		{"durable messages again", "kill", returning(send(1, 2), send(1, 2), same()),
			"message 1 again, which is durable"},
		{"it stays away after a cut", "cut", after(func(c *rawclient.Client) error {
			return errors.Join(c.SendBatch(1, 1), c.AwaitAck(1), c.SendBatch(2, 2))
		}), "did not connect again"},
		{"the same client in another run", "lost-run", lost(func(*bulkheadv1.Hello) {}),
			"Hello.client_id is that of the session before"},
		{"nothing of the run before", "lost-run", lost(func(h *bulkheadv1.Hello) { ofItsOwn(h); h.Continues = nil }),
			"without Hello.continues"},
		{"another end of the run before", "lost-run",
			lost(func(h *bulkheadv1.Hello) { ofItsOwn(h); h.Continues.After = 7 }), "after message 7"},
		{"back at once", "sent-away", returning(send(1, 1), send(1, 1), same()), "RetryInfo asked for"},
		{"back after it was refused", "unauthenticated", returning(send(1, 1), send(1, 1), same()),
			"connected again after Unauthenticated"},
		{"deaf to the Drain", "drain", orderlyForever, "it went on with its load after the Drain"},
		{"deaf to the Acks", "session", after(func(c *rawclient.Client) error {
			return errors.Join(c.SendBatch(1, 1), c.SendBatch(2, 2), lie(c))
		}), "read the stream all the time"},
		{"back after quarantine", "quarantine", returning(send(1, 1), send(1, 1), same()),
			"connected again after DATA_LOSS"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := try(t, tc.scenario, tc.client)
			if got.Verdict != conformance.Failed || !strings.Contains(got.Why, tc.why) {
				t.Errorf("%s: %q; want failed, with %q", got.Verdict, got.Why, tc.why)
			}
		})
	}
}

// What a client has no occasion to get wrong is left out, and says what is missing.
func TestScenariosWithoutOccasionAreLeftOut(t *testing.T) {
	t.Parallel()
	for _, scenario := range []string{"window", "limits", "cut", "kill", "lost-run", "quarantine"} {
		t.Run(scenario, func(t *testing.T) {
			t.Parallel()
			if got := try(t, scenario, orderly(0, 1, 1)); got.Verdict != conformance.LeftOut || got.Why == "" {
				t.Errorf("%s: %q; want left out, with a reason", got.Verdict, got.Why)
			}
		})
	}
}

// A client in a process of its own is held to its exit status.
func TestExitStatusIsHeldAgainstTheOutcome(t *testing.T) {
	t.Parallel()
	for _, status := range []int{0, 1} {
		res, err := conformance.Run(t.Context(), conformance.Config{
			Only: []string{"session"}, Patience: 3 * time.Second,
			Command: []string{"sh", "-c", fmt.Sprintf("exit %d", status)},
		})
		expect.NoError(t, err)
		if got := res.Scenarios[0]; got.Verdict != conformance.Failed ||
			!strings.Contains(got.Why, fmt.Sprintf("exit status %d", status)) {
			t.Errorf("%s: %q; want failed, with its exit status %d", got.Verdict, got.Why, status)
		}
	}
}

func TestAnUnknownScenarioIsNamed(t *testing.T) {
	_, err := conformance.Run(t.Context(), conformance.Config{Only: []string{"sesion"}})
	if !errors.Is(err, conformance.ErrUnknownScenario) || !strings.Contains(err.Error(), "session, limits") {
		t.Errorf("got %v; want the known ones", err)
	}
}
