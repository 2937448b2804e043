package supervisor_test

import (
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"bulkhead/internal/boottime"
	"bulkhead/internal/config"
	"bulkhead/internal/protocol"
	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor"
	"bulkhead/supervisor/report"
)

// gathering has a supervisor gather so many clients for as long as the test is patient.
func gathering(clients int, change func(*supervisor.Config)) func(*supervisor.Config) {
	return func(c *supervisor.Config) {
		c.Clients.Count, c.Gather.Timeout, c.Gather.IfShort = clients, patience, config.IfShortAbort
		if change != nil {
			change(c)
		}
	}
}

// waiter returns the Hello of a client that can wait.
func waiter(name string) *bulkheadv1.Hello {
	h := rawclient.Hello(name)
	h.ProtocolMinor = protocol.MinorGather
	return h
}

// say sends one message of the client itself, and waits until it is durable. A Begin that comes
// meanwhile is returned.
func say(t *testing.T, c *rawclient.Client, m *bulkheadv1.Message) (begin *bulkheadv1.Begin) {
	t.Helper()
	m.TimeUnixNano, m.ElapsedNano = time.Now().UnixNano(), boottime.Now()
	m.Process = &bulkheadv1.Process{Kind: bulkheadv1.ProcessKind_PROCESS_KIND_CLIENT, Pid: 1}
	must(t, c.Send(&bulkheadv1.ClientFrame{Frame: &bulkheadv1.ClientFrame_Batch{
		Batch: &bulkheadv1.Batch{Messages: []*bulkheadv1.Message{m}}}}))
	for {
		f, err := c.Recv()
		must(t, err)
		if f.GetBegin() != nil {
			begin = f.GetBegin()
		}
		if f.GetAck().GetSeq() >= m.GetSeq() {
			return begin
		}
	}
}

func sayReady(t *testing.T, c *rawclient.Client, seq uint64) *bulkheadv1.Begin {
	t.Helper()
	return say(t, c, &bulkheadv1.Message{Seq: seq, Fact: &bulkheadv1.Message_Ready{Ready: &bulkheadv1.Ready{}}})
}

// sayBegun says that the load begins at the moment of a Begin, by the clock of this machine.
func sayBegun(t *testing.T, c *rawclient.Client, seq uint64, begin *bulkheadv1.Begin) {
	t.Helper()
	say(t, c, &bulkheadv1.Message{Seq: seq, Fact: &bulkheadv1.Message_Begun{Begun: &bulkheadv1.Begun{
		DueElapsedNano: begin.GetAtElapsedNano(), RoundTripNano: 1000}}})
}

// awaitBegin takes frames until a Begin.
func awaitBegin(t *testing.T, c *rawclient.Client) *bulkheadv1.Begin {
	t.Helper()
	for {
		f, err := c.Recv()
		must(t, err)
		if f.GetBegin() != nil {
			return f.GetBegin()
		}
	}
}

// awaitDrained takes frames until a Drain, and says goodbye after so many messages. No Begin comes.
func awaitDrained(t *testing.T, s *running, c *rawclient.Client, last uint64) {
	t.Helper()
	for {
		f, err := c.Recv()
		must(t, err)
		if f.GetBegin() != nil {
			t.Fatalf("got %v; nobody may begin", f)
		}
		if f.GetDrain() != nil {
			break
		}
	}
	must(t, c.Goodbye(last))
	if err := c.End(); !errors.Is(err, io.EOF) {
		t.Fatalf("the stream ended with %v", err)
	}
}

func TestAllBeginAtOneMoment(t *testing.T) {
	t.Parallel()
	s := start(t, gathering(2, nil))
	alpha := s.dial()
	w, err := alpha.Greet(waiter("alpha"))
	must(t, err)
	if !w.GetGathers() || w.GetGatherLeftNano() <= 0 || w.GetGatherLeftNano() > int64(patience) {
		t.Errorf("the Welcome says %v; want a run that gathers, and how long", w)
	}
	if b := sayReady(t, alpha, 1); b != nil {
		t.Errorf("got %v before all were ready", b)
	}
	beta := s.greet(waiter("beta"), 0)
	st := s.status().GetGather()
	if st.GetReady() != 1 || st.GetExpected() != 2 || len(st.GetMissing()) != 1 ||
		st.GetMissing()[0].GetName() != "beta" ||
		st.GetMissing()[0].GetState() != bulkheadv1.GatherState_GATHER_STATE_NOT_READY {
		t.Errorf("status says %v; want one of two ready, and beta connected", st)
	}
	b := sayReady(t, beta, 1)
	if b == nil {
		b = awaitBegin(t, beta)
	}
	a := awaitBegin(t, alpha)
	if a.GetAtElapsedNano() != b.GetAtElapsedNano() || a.GetAtElapsedNano() == 0 || a.GetInNano() < 0 {
		t.Errorf("alpha begins at %v, beta at %v; want one moment", a, b)
	}
	if st := s.status().GetGather(); st != nil {
		t.Errorf("status says %v; the gather is over", st)
	}
	sayBegun(t, alpha, 2, a)
	sayBegun(t, beta, 2, b)
	s.closeInOrder(alpha, 2)
	s.closeInOrder(beta, 2)
	rep := s.wait()
	g := rep.Run.Gather
	if g == nil || g.End != report.GatherComplete || g.Ready != 2 || len(g.Missing) != 0 || g.BeginAt == 0 ||
		g.BeginAt < g.DecidedAt {
		t.Errorf("the report has %+v; want a complete gather", g)
	}
	for _, c := range rep.Clients {
		if c.Gathered == "" || c.LoadBeganAt == 0 {
			t.Errorf("client %s is %q, and began at %v", c.Name, c.Gathered, c.LoadBeganAt)
		}
	}
	gathers := 0
	for _, rec := range s.records() {
		if rec.GetGatherEnded() != nil {
			gathers++
		}
	}
	if gathers == 0 {
		t.Error("the journal has nothing of what was decided")
	}
}

// A client that comes back after the moment, and one that comes then for the first time, begin at once.
func TestWhoIsLateBeginsAtOnce(t *testing.T) {
	t.Parallel()
	s := start(t, gathering(1, nil))
	hello := waiter("alpha")
	alpha := s.greet(hello, 0)
	begin := sayReady(t, alpha, 1)
	must(t, alpha.Close()) // and may have had it or not
	back := s.dial()
	w, err := back.Greet(hello)
	must(t, err)
	if !w.GetGathers() {
		t.Errorf("the Welcome says %v; want it to wait for its Begin", w)
	}
	again := awaitBegin(t, back)
	if begin != nil && begin.GetAtElapsedNano() != again.GetAtElapsedNano() {
		t.Errorf("it begins at %v, and then at %v", begin, again)
	}
	beta := s.greet(waiter("beta"), 0)
	late := awaitBegin(t, beta) // before it is ready
	if late.GetAtElapsedNano() != again.GetAtElapsedNano() {
		t.Errorf("beta begins at %v, alpha at %v", late, again)
	}
	sayBegun(t, back, 2, again)
	sayReady(t, beta, 1)
	sayBegun(t, beta, 2, late)
	// One that has begun is not told again.
	must(t, back.Close())
	third := s.dial()
	if w, err = third.Greet(hello); err != nil || w.GetGathers() {
		t.Errorf("the Welcome says %v, %v; it has begun", w, err)
	}
	s.closeInOrder(third, 2)
	s.closeInOrder(beta, 2)
	rep := s.wait()
	if got := wantClient(t, rep, "beta", "closed", "said goodbye"); got.Gathered != report.GatheredLate {
		t.Errorf("beta is %q; want it late", got.Gathered)
	}
	found := 0
	for _, f := range rep.Findings {
		if f.Kind == report.FindingGather && f.Client == "beta" {
			found++
		}
	}
	if found != 1 {
		t.Errorf("findings %+v; want one that beta was late", rep.Findings)
	}
}

func TestAGatherThatIsGivenUp(t *testing.T) {
	t.Parallel()
	const short = 5 * time.Second // all come in it
	s := start(t, gathering(4, func(c *supervisor.Config) { c.Gather.Timeout = short }))
	hello := waiter("gone")
	gone := s.greet(hello, 0)
	sayReady(t, gone, 1)
	must(t, gone.Close())
	slow := s.greet(waiter("slow"), 0)
	ready := s.greet(waiter("ready"), 0)
	sayReady(t, ready, 1)
	s.log.await(t, "draining")
	awaitDrained(t, s, ready, 1)
	awaitDrained(t, s, slow, 0)
	back := s.greet(hello, 1) // it is told, too
	awaitDrained(t, s, back, 1)
	rep := s.wait()
	g := rep.Run.Gather
	if g == nil || g.End != report.GatherAborted || g.BeginAt != 0 || rep.Run.DrainCause != report.DrainByGather {
		t.Errorf("the report has %+v, drained for %q; want a gather that is given up", g, rep.Run.DrainCause)
	}
	why := strings.Join(rep.Verdict.Reasons, "\n")
	for _, want := range []string{"not all clients were ready in 5s", "slow (connected, not ready)",
		"gone (ready, and gone)", "1 more client (not connected)"} {
		if !strings.Contains(why, want) {
			t.Errorf("reasons %q; want them to say %q", why, want)
		}
	}
}

func TestAGatherThatBeginsShort(t *testing.T) {
	t.Parallel()
	s := start(t, gathering(3, func(c *supervisor.Config) {
		c.Clients.Names, c.Clients.Count = []string{"alpha", "beta", "gamma"}, 3
		c.Gather.Timeout, c.Gather.IfShort = 500*time.Millisecond, config.IfShortStart
	}))
	alpha := s.greet(waiter("alpha"), 0)
	begin := sayReady(t, alpha, 1)
	if begin == nil {
		begin = awaitBegin(t, alpha)
	}
	sayBegun(t, alpha, 2, begin)
	beta := s.greet(waiter("beta"), 0) // late
	sayBegun(t, beta, 1, awaitBegin(t, beta))
	s.closeInOrder(alpha, 2)
	s.closeInOrder(beta, 1)
	rep := s.wait() // gamma is not waited for
	if g := rep.Run.Gather; g == nil || g.End != report.GatherShort || g.Ready != 1 || len(g.Missing) != 2 {
		t.Errorf("the report has %+v; want one ready and two missing", g)
	}
	if rep.Verdict.Word != report.WordPartial || len(rep.Run.AbsentNames) != 1 {
		t.Errorf("verdict %+v, absent %v; want partial for gamma", rep.Verdict, rep.Run.AbsentNames)
	}
}

// A client of an earlier version cannot wait: it is let in and named, and the others do not wait for it.
func TestAClientThatCannotWait(t *testing.T) {
	t.Parallel()
	s := start(t, gathering(2, nil))
	old := s.dial()
	hello := rawclient.Hello("old")
	hello.ProtocolMinor = protocol.MinorGather - 1
	if w, err := old.Greet(hello); err != nil || w.GetGathers() {
		t.Errorf("the Welcome says %v, %v; an old client knows nothing of it", w, err)
	}
	s.log.await(t, "the client does not wait for the others: its version of the protocol is too old for that")
	s.deliver(old, 1, 3)
	alpha := s.greet(waiter("alpha"), 0)
	begin := sayReady(t, alpha, 1)
	if begin == nil {
		begin = awaitBegin(t, alpha)
	}
	sayBegun(t, alpha, 2, begin)
	s.closeInOrder(old, 3)
	s.closeInOrder(alpha, 2)
	rep := s.wait()
	if got := wantClient(t, rep, "old", "closed", "said goodbye"); got.Gathered != report.GatheredUnable {
		t.Errorf("old is %q; want it unable", got.Gathered)
	}
	if f := rep.Findings[0]; f.Kind != report.FindingGather || f.Client != "old" {
		t.Errorf("findings %+v; want first that old did not wait", rep.Findings)
	}
}

// A client that is drained alone is not waited for, also by the next supervisor, and the others begin.
func TestAGatherDoesNotWaitForAClientThatIsDrainedAlone(t *testing.T) {
	t.Parallel()
	s := start(t, gathering(3, nil))
	alpha, beta := s.greet(waiter("alpha"), 0), s.greet(waiter("beta"), 0)
	sayReady(t, alpha, 1)
	sayReady(t, beta, 1)
	s.drainAlone("beta", "its disk is failing", 1)
	awaitDrained(t, s, beta, 1)
	st := s.status().GetGather()
	if st.GetReady() != 1 || st.GetExpected() != 2 || len(st.GetMissing()) != 1 ||
		st.GetMissing()[0].GetClients() != 1 {
		t.Errorf("status says %v; want one of two ready, and one more client", st)
	}
	gamma := s.greet(waiter("gamma"), 0)
	begin := sayReady(t, gamma, 1)
	if begin == nil {
		begin = awaitBegin(t, gamma)
	}
	sayBegun(t, alpha, 2, awaitBegin(t, alpha))
	sayBegun(t, gamma, 2, begin)
	s.closeInOrder(alpha, 2)
	s.closeInOrder(gamma, 2)
	rep := s.wait()
	if g := rep.Run.Gather; g == nil || g.End != report.GatherComplete || g.Ready != 2 || len(g.Missing) != 0 ||
		!strings.Contains(g.Text, "not waited for any more, as an operator ended it alone: beta") {
		t.Errorf("the report has %+v; want a gather that is complete without beta", g)
	}
	if got := wantClient(t, rep, "beta", "closed", "said goodbye"); got.Gathered != report.GatheredExcused {
		t.Errorf("beta is %q; want it excused", got.Gathered)
	}
}

func TestADrainEndsAGather(t *testing.T) {
	t.Parallel()
	s := start(t, gathering(2, nil))
	alpha := s.greet(waiter("alpha"), 0)
	sayReady(t, alpha, 1)
	s.interrupts <- syscall.SIGTERM
	awaitDrained(t, s, alpha, 1)
	rep := s.wait()
	if g := rep.Run.Gather; g == nil || g.End != "" || g.BeginAt != 0 {
		t.Errorf("the report has %+v; want a gather without an end", g)
	}
}

// The handler of a client that waits dies: the client comes back, and all begin.
func TestAHandlerDiesWhileItsClientWaits(t *testing.T) {
	t.Parallel()
	s := start(t, gathering(2, nil))
	hello := waiter("alpha")
	alpha := s.greet(hello, 0)
	sayReady(t, alpha, 1)
	s.killHandler("alpha")
	alpha.End()
	beta := s.greet(waiter("beta"), 0)
	sayReady(t, beta, 1)
	back := s.greet(hello, 1)
	a, b := awaitBegin(t, back), awaitBegin(t, beta)
	if a.GetAtElapsedNano() != b.GetAtElapsedNano() {
		t.Errorf("alpha begins at %v, beta at %v; want one moment", a, b)
	}
	s.closeInOrder(back, 1)
	s.closeInOrder(beta, 1)
	s.wait()
}

func TestARunWaitsNoLongerForClientsThatNeverCome(t *testing.T) {
	t.Parallel()
	const wait = 4 * time.Second // in which alpha is there, however busy the machine is
	s := start(t, func(c *supervisor.Config) { c.Clients.Count, c.WaitClients = 2, wait })
	alpha := s.greet(rawclient.Hello("alpha"), 0)
	s.deliver(alpha, 1, 3)
	s.log.await(t, "the run waits no longer for the clients that have not come", "absent", "1")
	s.deliver(alpha, 4, 6) // who came goes on
	s.closeInOrder(alpha, 6)
	rep := s.wait()
	if rep.Verdict.Word != report.WordPartial || rep.Run.WaitedNano != int64(wait) ||
		rep.Run.JoinedClients != 1 {
		t.Errorf("verdict %+v after %d ns with %d clients; want partial", rep.Verdict, rep.Run.WaitedNano,
			rep.Run.JoinedClients)
	}
}

func TestARunThatNobodyComesToEnds(t *testing.T) {
	t.Parallel()
	s := start(t, func(c *supervisor.Config) { c.WaitClients = 50 * time.Millisecond })
	if rep := s.wait(); rep.Verdict.Word != report.WordPartial || s.result.Verdict != report.WordPartial {
		t.Errorf("verdict %+v; want partial", rep.Verdict)
	}
}

// The handler measures for its client how far the clocks are apart, which is not at all on one machine.
func TestAnEchoIsAnswered(t *testing.T) {
	t.Parallel()
	s := start(t, gathering(1, nil))
	c := s.greet(waiter("alpha"), 0)
	sent := boottime.Now()
	must(t, c.Send(&bulkheadv1.ClientFrame{Frame: &bulkheadv1.ClientFrame_Echo{
		Echo: &bulkheadv1.Echo{SentElapsedNano: sent}}}))
	f, err := c.Recv()
	must(t, err)
	e := f.GetEcho()
	if came := boottime.Now(); e.GetSentElapsedNano() != sent || e.GetCameElapsedNano() < sent ||
		e.GetAnsweredElapsedNano() < e.GetCameElapsedNano() || e.GetAnsweredElapsedNano() > came {
		t.Errorf("got %v between %d and %d", f, sent, came)
	}
	s.interrupts <- syscall.SIGTERM
	s.interrupts <- syscall.SIGTERM
	s.wait()
}
