package isolation_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/harness/expect"
	"bulkhead/internal/testing/rawclient"
	"bulkhead/supervisor/report"
)

// scaleSeed decides what the clients of TestManyClientsAtOnce send and who leaves when.
var scaleSeed = flag.Uint64("scale.seed", 1, "seed of TestManyClientsAtOnce")

// descriptorsPerClient is the most that the supervisor has for a connected client, as
// docs/operating.md says.
const descriptorsPerClient = 3

// rosterFile is the descriptor of the file with all of them, which the first client opens.
const rosterFile = 1

// Three hundred clients are connected at once, each with a handler of its own. All are
// welcomed, everything that they send is acknowledged over their first connection, the
// supervisor has no more descriptors for each than documented, and none when they have left.
// What this costs is measured by bench -only f.
func TestManyClientsAtOnce(t *testing.T) {
	clients, atOnce := 300, 16
	if raceEnabled {
		clients, atOnce = 32, 4 // each handler is several times as large and as slow
	}
	random := rand.New(rand.NewPCG(*scaleSeed, 12))
	t.Logf("-args -scale.seed %d", *scaleSeed)
	s := start(t, "--clients", fmt.Sprint(clients), "--handler-pool", fmt.Sprint(atOnce), "--log-level", "info")
	s.settled(0, atOnce)
	before := kindsOfDescriptors(t, s)

	senders := make([]*rawclient.Sender, clients)
	for i := range senders {
		senders[i] = rawclient.NewSender(rawclient.SenderConfig{
			Hello: rawclient.Hello(fmt.Sprintf("many-%d", i)), Addr: s.Addr, Number: uint32(i + 1),
			Batch: 1 + random.Uint64N(16), Window: 1 + random.Uint64N(3), Padding: random.IntN(512),
			Every: time.Duration(1000+random.IntN(1000)) * time.Millisecond,
		})
	}
	together(t, senders, atOnce, func(c *rawclient.Sender) error {
		go c.Run(t.Context()) // ends with Finish or the test; what it returns is in Progress
		return c.Await(patience, "it is welcome", func(p rawclient.Progress) bool { return len(p.Locals) > 0 })
	})
	together(t, senders, len(senders), func(c *rawclient.Sender) error { return c.GoesOn(patience) })
	s.settled(clients, atOnce)
	allActive(t, s, senders)
	with := kindsOfDescriptors(t, s)
	if more := total(with) - total(before) - rosterFile; more > descriptorsPerClient*clients {
		t.Errorf("the supervisor has %d descriptors more with %d clients; want at most %d for each\n"+
			"without: %v\nwith: %v", more, clients, descriptorsPerClient, before, with)
	}

	order := random.Perm(clients)
	last := senders[order[0]] // stays, so that the run does
	leaveAll(t, senders, order[1:])
	s.settled(1, atOnce)
	expect.Eventually(t, func() error { // the connections of status may still be closing
		after := kindsOfDescriptors(t, s)
		if more := total(after) - total(before) - rosterFile; more > descriptorsPerClient {
			return fmt.Errorf("%d descriptors are left of clients that are gone: %v; it began with %v",
				more-descriptorsPerClient, after, before)
		}
		return nil
	})
	expect.NoError(t, last.GoesOn(patience))
	leaveAll(t, senders, order[:1])

	rep := s.finish(exitComplete) // nothing is left running, and the report follows from the journal
	output(t, 0, "journal", "check", s.RunDir)
	if n := len(rep.Clients); n != clients {
		t.Errorf("the report has %d clients; want %d", n, clients)
	}
	for _, c := range senders {
		sent, in := c.Progress().Acked, expect.Client(t, rep, c.Name())
		if in.Outcome != report.OutcomeClosed || in.Messages != sent || in.Resumes != 0 || len(in.Connections) != 1 {
			t.Errorf("%s is %s (%s) after %d messages over %d connections; want closed after %d over one",
				in.Name, in.Outcome, in.Cause, in.Messages, len(in.Connections), sent)
		}
	}
	if len(rep.Rejections) > 0 || len(rep.Handlers) != clients {
		t.Errorf("the report has %d rejections and %d handlers; want 0 and %d", len(rep.Rejections),
			len(rep.Handlers), clients)
	}
}

// together does something with each sender, with so many at a time.
func together(t *testing.T, senders []*rawclient.Sender, atOnce int, do func(*rawclient.Sender) error) {
	t.Helper()
	queue, errs := make(chan *rawclient.Sender), make(chan error, len(senders))
	for range atOnce {
		go func() { // ends with queue
			for c := range queue {
				errs <- do(c)
			}
		}()
	}
	for _, c := range senders {
		queue <- c
	}
	close(queue)
	for range senders {
		expect.NoError(t, <-errs)
	}
}

// allActive checks that every client has an active session, over its first connection, with a
// handler that no other has.
func allActive(t *testing.T, s *running, senders []*rawclient.Sender) {
	t.Helper()
	sessions := s.status().GetSessions()
	if len(sessions) != len(senders) {
		t.Errorf("there are %d sessions; want %d", len(sessions), len(senders))
	}
	owner := make(map[int32]string) // by handler
	for _, c := range sessions {
		if c.GetState() != "active" || c.GetResumes() != 0 {
			t.Errorf("%s is %s (%s), and came %d times again", c.GetName(), c.GetState(), c.GetCause(), c.GetResumes())
		}
		if other, taken := owner[c.GetHandlerPid()]; taken {
			t.Errorf("%s and %s share handler %d", other, c.GetName(), c.GetHandlerPid())
		}
		owner[c.GetHandlerPid()] = c.GetName()
	}
	for _, c := range senders {
		if p := c.Progress(); len(p.Locals) != 1 || len(p.Ends) != 0 {
			t.Errorf("%s needed %d connections; before the last they ended with %v", c.Name(), len(p.Locals), p.Ends)
		}
	}
}

// leaveAll lets senders end in order, all at once, and waits until all have.
func leaveAll(t *testing.T, senders []*rawclient.Sender, order []int) {
	t.Helper()
	for _, i := range order {
		senders[i].Finish()
	}
	for _, i := range order {
		expect.NoError(t, senders[i].AwaitEnd(patience))
		if p := senders[i].Progress(); p.Err != nil || p.Acked != p.Sent {
			t.Errorf("%s ended with %v and %d of %d messages acknowledged", senders[i].Name(), p.Err, p.Acked, p.Sent)
		}
	}
}

// kindsOfDescriptors counts what a supervisor has open by what it is: "socket", "pipe",
// "anon_inode:[pidfd]", "/".
func kindsOfDescriptors(t *testing.T, s *running) map[string]int {
	t.Helper()
	files, err := harness.OpenFiles(s.Pid())
	expect.NoError(t, err)
	kinds := make(map[string]int)
	for _, target := range files {
		kind, _, _ := strings.Cut(target, ":[")
		if strings.HasPrefix(target, string(os.PathSeparator)) {
			kind = "file"
		}
		kinds[kind]++
	}
	return kinds
}

// total adds up kinds.
func total(kinds map[string]int) int {
	n := 0
	for _, k := range kinds {
		n += k
	}
	return n
}
