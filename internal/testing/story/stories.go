package story

import (
	"testing"
	"time"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Stories are the runs whose reports are kept as golden files.
var Stories = []struct {
	Name string
	// Torn leaves an incomplete record at the journal's end.
	Torn  bool
	Write func(testing.TB) []*bulkheadv1.Record
}{
	{"undisturbed", false, Undisturbed},
	{"disturbed", false, Disturbed},
	{"one", false, OneClient},
	{"empty", false, EmptyRun},
	{"killed", true, KilledSupervisor},
	{"battered", false, Battered},
	{"rated", false, Rated},
	{"corrupted", false, Corrupted},
	{"machines", false, Machines},
	{"staged", false, Staged},
	{"shared", false, Shared},
}

// Work lets clients write from second from to second to of the run.
func Work(from, to int, actors ...*Actor) {
	for n := from; n <= to; n++ {
		for _, a := range actors {
			a.At(time.Duration(n)*time.Second + time.Duration(a.Session)*30*time.Millisecond)
			list := a.second(n)
			if n%2 == 0 {
				list = append(list, a.Heartbeat(uint64(n/2)))
			}
			a.Say(list...)
		}
	}
}

// Leave ends clients in order, and their handlers.
func Leave(after time.Duration, connection map[uint32]uint64, actors ...*Actor) {
	leaveEvery(40*time.Millisecond, after, connection, actors...)
}

// leaveEvery does what leave does, with apart between two actors.
func leaveEvery(apart, after time.Duration, connection map[uint32]uint64, actors ...*Actor) {
	for _, a := range actors {
		a.At(after + time.Duration(a.Session)*apart)
		why := bulkheadv1.StopReason_STOP_REASON_RUNTIME
		if after < 20*time.Second {
			why = bulkheadv1.StopReason_STOP_REASON_TOTAL
		}
		a.Say(a.Rollover(0, 4, true), a.Stop(why, "", nil))
		a.End(bulkheadv1.Outcome_OUTCOME_CLOSED, "said goodbye")
		a.At(a.After + 12*time.Millisecond)
		id := connection[a.Session]
		a.HandlerExited(id, a.Session, int32(4710+id), a.After, CleanExit(), "")
	}
}

func Undisturbed(t testing.TB) []*bulkheadv1.Record {
	s := New(t, 3)
	var actors []*Actor
	for i, name := range []string{"alpha", "bravo", "charlie"} {
		n := uint32(i + 1)
		ahead := []time.Duration{1_300_000, -2_400_000_000, 410_000}[i]
		s.At(time.Duration(n) * 90 * time.Millisecond)
		a := s.Arrive(name, n, uint64(n), int32(4710+n), ahead)
		a.Start()
		actors = append(actors, a)
	}
	Work(1, 20, actors...)
	Leave(20100*time.Millisecond, map[uint32]uint64{1: 1, 2: 2, 3: 3}, actors...)
	s.At(22300*time.Millisecond).Ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
	return s.Records
}

func OneClient(t testing.TB) []*bulkheadv1.Record {
	s := New(t, 1)
	a := s.At(90*time.Millisecond).Arrive("solo", 1, 1, 4711, 0)
	a.Start()
	Work(1, 5, a)
	Leave(5100*time.Millisecond, map[uint32]uint64{1: 1}, a)
	s.At(7300*time.Millisecond).Ended(bulkheadv1.RunEnd_RUN_END_DRAINED, "asked for by an operator")
	return s.Records
}

func EmptyRun(t testing.TB) []*bulkheadv1.Record {
	s := New(t, 2)
	s.At(3720*time.Second).Ended(bulkheadv1.RunEnd_RUN_END_DRAINED, "SIGTERM")
	return s.Records
}

// KilledSupervisor ends in mid-run: one client connected, one away.
func KilledSupervisor(t testing.TB) []*bulkheadv1.Record {
	s := New(t, 2)
	a := s.At(90*time.Millisecond).Arrive("alpha", 1, 1, 4711, 0)
	a.Start()
	b := s.At(120*time.Millisecond).Arrive("bravo", 2, 2, 4712, 0)
	b.Start()
	Work(1, 3, a, b)
	s.At(3500 * time.Millisecond)
	b.Detach(2, "connection reset by peer")
	Work(4, 5, a)
	return s.Records
}

// Disturbed returns a run in which much goes wrong: alpha's handler is killed and
// alpha resumes; bravo is killed and lost; charlie has a consumer killed, one
// stuck, and write errors, yet closes; garbage and a wrong token are rejected; a
// handler dies before its use; one expected client never comes.
func Disturbed(t testing.TB) []*bulkheadv1.Record {
	s := New(t, 4)
	s.At(40*time.Millisecond).HandlerExited(0, 0, 4709, 30*time.Millisecond,
		&bulkheadv1.ProcessExit{Class: bulkheadv1.ExitClass_EXIT_CLASS_CRASH, ExitCode: 2, Cause: "exit status 2"}, "")
	a := s.At(90*time.Millisecond).Arrive("alpha", 1, 1, 4711, 3*time.Millisecond)
	a.Start()
	b := s.At(120*time.Millisecond).Arrive("bravo", 2, 2, 4712, 0)
	b.Start()
	c := s.At(150*time.Millisecond).Arrive("charlie", 3, 3, 4713, 0)
	c.Start()
	Work(1, 4, a, b, c)

	s.At(4500 * time.Millisecond)
	a.Detach(1, "handler killed by SIGKILL")
	s.HandlerExited(1, 1, 4711, 4500*time.Millisecond, KilledExit(), "")
	s.Records[len(s.Records)-1].GetHandlerExited().ReceivedBytes = 0 // it did not live to say
	s.At(4530*time.Millisecond).Rejected(4, 4714, peerOf(4), "", "not HTTP/2: it starts with \x1b]0;owned\a")
	s.HandlerExited(4, 0, 4714, 1200*time.Millisecond, CleanExit(), "not HTTP/2")
	s.At(4900 * time.Millisecond)
	a.Attach(5, 4715)
	s.Rejected(6, 4716, peerOf(6), "delta", "wrong token")
	s.HandlerExited(6, 0, 4716, 900*time.Millisecond, CleanExit(), "finished: wrong token")

	Work(5, 6, a, b, c)
	s.At(6300 * time.Millisecond)
	b.Detach(2, "handler closed: connection reset")
	s.HandlerExited(2, 2, 4712, 6300*time.Millisecond, CleanExit(), "connection reset by peer")

	for n := 7; n <= 20; n++ {
		Work(n, n, a)
		charlieSuffers(c, n)
	}
	Leave(20100*time.Millisecond, map[uint32]uint64{1: 5}, a)
	charlieStops(c)
	s.At(36300 * time.Millisecond)
	b.End(bulkheadv1.Outcome_OUTCOME_LOST, "no connection for 30s (handler closed: connection reset)")
	s.At(38400*time.Millisecond).Ended(bulkheadv1.RunEnd_RUN_END_DRAINED, "SIGTERM")
	return s.Records
}

// charlieSuffers adds what charlie says in second n: one consumer is gone, the
// other runs out of space and then is stuck.
func charlieSuffers(c *Actor, n int) {
	gone := &bulkheadv1.HeartbeatMiss{Process: c.Process(KindConsumer, 1),
		Reason: "process is gone (killed by SIGKILL)", Gone: true}
	c.At(time.Duration(n)*time.Second + 90*time.Millisecond)
	switch n {
	case 8:
		gone.Reason, gone.Gone = "no answer in 2s", false
		c.Say(c.Heartbeat(4, gone), c.Progress(0, 9, 3, "write /mnt/data: no space left on device"))
	case 10, 12, 14:
		beat := c.Heartbeat(uint64(n/2), gone)
		stuck := beat.GetHeartbeat().GetAnswers()[0]
		stuck.State = bulkheadv1.WorkerState_WORKER_STATE_STALLED
		stuck.StalledNano = int64(n-9) * int64(time.Second)
		stuck.Late, stuck.LatencyNano = n == 14, 1_100_000_000
		c.Say(beat, c.Progress(0, 0, 0, ""), &bulkheadv1.Message{Process: c.Process(KindConsumer, 1),
			Fact: &bulkheadv1.Message_MonitorError{
				MonitorError: &bulkheadv1.MonitorError{Reason: "process 5321 is gone"}}})
	case 15:
		// What no client should say: half a batch, and a rate from nowhere.
		c.SayBytes(c.Seq+1, c.Seq+2, []byte{0x0a, 0x20, 0x08})
		broken := c.Progress(0, 1, 0, "")
		broken.GetProgress().IntervalNano = -1
		c.Say(broken)
	}
}

func charlieStops(c *Actor) {
	dead := KilledExit()
	dead.EndedUnixNano = RunStart.Add(7300*time.Millisecond + c.ahead).UnixNano()
	c.At(21 * time.Second)
	c.Say(c.Stop(bulkheadv1.StopReason_STOP_REASON_RUNTIME, "",
		map[int32]*bulkheadv1.ProcessExit{c.Pid(KindConsumer, 1): dead}))
	c.End(bulkheadv1.Outcome_OUTCOME_CLOSED, "said goodbye")
	c.HandlerExited(3, 3, 4713, 21*time.Second, CleanExit(), "")
}

// Shared is a run of two supervisors on an engine that proves nothing, which cannot be reached for a
// while. The first supervisor is killed, and started again when the second one has its clients.
func Shared(t testing.TB) []*bulkheadv1.Record {
	s := New(t, 2)
	join := func(number, before uint32, host string) {
		joined := &bulkheadv1.SupervisorJoined{Supervisor: number, Before: before, Host: &bulkheadv1.Host{Name: host},
			Listen: host + ":7420", Pid: int32(4700 + number), Version: "0.1.0"}
		s.Add(&bulkheadv1.Record{Entry: &bulkheadv1.Record_SupervisorJoined{SupervisorJoined: joined}})
	}
	join(1, 0, "collector1")
	s.Add(&bulkheadv1.Record{Entry: &bulkheadv1.Record_JournalUnproven{JournalUnproven: &bulkheadv1.JournalUnproven{
		Supervisor: 1, Problems: []string{"node n2 of the engine: it syncs every 2m0s"}}}})
	s.At(500 * time.Millisecond)
	join(2, 0, "collector2")
	s.At(time.Second)
	const first, second = 1 << 40, 2 << 40
	a, b := s.Arrive("alpha", 1, first+1, 4801, 0), s.Arrive("bravo", 2, second+1, 4901, 0)
	a.Start()
	b.Start()
	Work(2, 9, a, b)
	s.At(9500 * time.Millisecond)
	for _, number := range []uint32{1, 2} {
		outage := &bulkheadv1.JournalUnavailable{Supervisor: number, UnavailableNano: int64(2 * time.Second)}
		s.Add(&bulkheadv1.Record{Entry: &bulkheadv1.Record_JournalUnavailable{JournalUnavailable: outage}})
	}
	Work(10, 13, a, b)
	s.At(14 * time.Second)
	a.Detach(first+1, "supervisor 2 has taken the session")
	a.Attach(second+2, 4902)
	s.Add(&bulkheadv1.Record{Entry: &bulkheadv1.Record_SupervisorLeft{SupervisorLeft: &bulkheadv1.SupervisorLeft{
		Supervisor: 1, How: bulkheadv1.SupervisorLeave_SUPERVISOR_LEAVE_SILENT, By: 2, Sessions: 1}}})
	Work(14, 18, a, b)
	s.At(18500 * time.Millisecond)
	join(3, 1, "collector1")
	Work(19, 20, a, b)
	Leave(21*time.Second, map[uint32]uint64{1: second + 2, 2: second + 1}, a, b)
	s.At(24 * time.Second)
	s.Ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
	return s.Records
}
