package isolation_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/harness/expect"
	"bulkhead/internal/testing/rawclient"
)

// What is said of a client that falls silent and never comes back is how long nothing was heard
// of it, in the report and in the cause, and not how long that was known.
func TestFiguresOfALossAreFromTheLastThatWasHeard(t *testing.T) {
	t.Parallel()
	s := start(t, "--clients", "1", "--session-client-timeout", "4s", "--session-grace", "2s")
	path, err := harness.NewPath(s.Addr)
	expect.NoError(t, err)
	t.Cleanup(path.Close)
	c, err := rawclient.Dial(t.Context(), path.Addr())
	expect.NoError(t, err)
	defer c.Close()
	_, err = c.Greet(rawclient.Hello("silent"))
	expect.NoError(t, err)
	speaking := time.Now()
	expect.NoError(t, errors.Join(c.SendBatch(1, 1), c.AwaitAck(1)))
	path.Hold(harness.Up, harness.Down)
	held := time.Now()
	_, err = s.Await(patience, func(l harness.LogLine) bool { return l.Text("msg") == "client is away" })
	expect.NoError(t, err)
	unnoticed := time.Since(held)
	one := expect.Client(t, s.finish(exitPartial), "silent")
	outer := time.Since(speaking)

	last := one.Connections[len(one.Connections)-1]
	// What was on its way when the path was held may have been heard a little later.
	within(t, "the outage", last.AwayNano, unnoticed-time.Second, outer)
	within(t, "the time from the last that was heard to the loss", int64(one.EndedAt-last.LastHeardAt),
		unnoticed-time.Second, outer)
	text, _, _ := strings.Cut(strings.TrimPrefix(one.Cause, "no connection for "), ";")
	told, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("cause %q: %v", one.Cause, err)
	}
	const rounded = 100 * time.Millisecond // to this
	within(t, "the time without a connection in its cause", int64(told), unnoticed-time.Second-rounded, outer+rounded)
}
