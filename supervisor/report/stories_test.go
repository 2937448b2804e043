package report

import (
	"testing"
	"time"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// stories are the runs whose reports are kept as golden files.
var stories = []struct {
	name string
	// torn leaves an incomplete record at the journal's end.
	torn  bool
	write func(testing.TB) []*bulkheadv1.Record
}{
	{"undisturbed", false, undisturbed},
	{"disturbed", false, disturbed},
	{"one", false, oneClient},
	{"empty", false, emptyRun},
	{"killed", true, killedSupervisor},
	{"battered", false, battered},
	{"rated", false, rated},
	{"corrupted", false, corrupted},
}

// work lets clients write from second from to second to of the run.
func work(from, to int, actors ...*actor) {
	for n := from; n <= to; n++ {
		for _, a := range actors {
			a.at(time.Duration(n)*time.Second + time.Duration(a.session)*30*time.Millisecond)
			list := a.second(n)
			if n%2 == 0 {
				list = append(list, a.heartbeat(uint64(n/2)))
			}
			a.say(list...)
		}
	}
}

// leave ends clients in order, and their handlers.
func leave(after time.Duration, connection map[uint32]uint64, actors ...*actor) {
	leaveEvery(40*time.Millisecond, after, connection, actors...)
}

// leaveEvery is leave, with apart between two actors.
func leaveEvery(apart, after time.Duration, connection map[uint32]uint64, actors ...*actor) {
	for _, a := range actors {
		a.at(after + time.Duration(a.session)*apart)
		why := bulkheadv1.StopReason_STOP_REASON_RUNTIME
		if after < 20*time.Second {
			why = bulkheadv1.StopReason_STOP_REASON_TOTAL
		}
		a.say(a.rollover(0, 4, true), a.stop(why, "", nil))
		a.end(bulkheadv1.Outcome_OUTCOME_CLOSED, "said goodbye")
		a.at(a.after + 12*time.Millisecond)
		id := connection[a.session]
		a.handlerExited(id, a.session, int32(4710+id), a.after, cleanExit(), "")
	}
}

func undisturbed(t testing.TB) []*bulkheadv1.Record {
	s := newStory(t, 3)
	var actors []*actor
	for i, name := range []string{"alpha", "bravo", "charlie"} {
		n := uint32(i + 1)
		ahead := []time.Duration{1_300_000, -2_400_000_000, 410_000}[i]
		s.at(time.Duration(n) * 90 * time.Millisecond)
		a := s.arrive(name, n, uint64(n), int32(4710+n), ahead)
		a.start()
		actors = append(actors, a)
	}
	work(1, 20, actors...)
	leave(20100*time.Millisecond, map[uint32]uint64{1: 1, 2: 2, 3: 3}, actors...)
	s.at(22300*time.Millisecond).ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
	return s.records
}

func oneClient(t testing.TB) []*bulkheadv1.Record {
	s := newStory(t, 1)
	a := s.at(90*time.Millisecond).arrive("solo", 1, 1, 4711, 0)
	a.start()
	work(1, 5, a)
	leave(5100*time.Millisecond, map[uint32]uint64{1: 1}, a)
	s.at(7300*time.Millisecond).ended(bulkheadv1.RunEnd_RUN_END_DRAINED, "asked for by an operator")
	return s.records
}

func emptyRun(t testing.TB) []*bulkheadv1.Record {
	s := newStory(t, 2)
	s.at(3720*time.Second).ended(bulkheadv1.RunEnd_RUN_END_DRAINED, "SIGTERM")
	return s.records
}

// killedSupervisor ends in mid-run: one client connected, one away.
func killedSupervisor(t testing.TB) []*bulkheadv1.Record {
	s := newStory(t, 2)
	a := s.at(90*time.Millisecond).arrive("alpha", 1, 1, 4711, 0)
	a.start()
	b := s.at(120*time.Millisecond).arrive("bravo", 2, 2, 4712, 0)
	b.start()
	work(1, 3, a, b)
	s.at(3500 * time.Millisecond)
	b.detach(2, "connection reset by peer")
	work(4, 5, a)
	return s.records
}

// disturbed is a run in which much goes wrong: alpha's handler is killed and
// alpha resumes; bravo is killed and lost; charlie has a consumer killed, one
// stuck, and write errors, yet closes; garbage and a wrong token are rejected; a
// handler dies before its use; one expected client never comes.
func disturbed(t testing.TB) []*bulkheadv1.Record {
	s := newStory(t, 4)
	s.at(40*time.Millisecond).handlerExited(0, 0, 4709, 30*time.Millisecond,
		&bulkheadv1.ProcessExit{Class: bulkheadv1.ExitClass_EXIT_CLASS_CRASH, ExitCode: 2, Cause: "exit status 2"}, "")
	a := s.at(90*time.Millisecond).arrive("alpha", 1, 1, 4711, 3*time.Millisecond)
	a.start()
	b := s.at(120*time.Millisecond).arrive("bravo", 2, 2, 4712, 0)
	b.start()
	c := s.at(150*time.Millisecond).arrive("charlie", 3, 3, 4713, 0)
	c.start()
	work(1, 4, a, b, c)

	s.at(4500 * time.Millisecond)
	a.detach(1, "handler killed by SIGKILL")
	s.handlerExited(1, 1, 4711, 4500*time.Millisecond, killedExit(), "")
	s.records[len(s.records)-1].GetHandlerExited().ReceivedBytes = 0 // it did not live to say
	s.at(4530*time.Millisecond).rejected(4, 4714, peerOf(4), "", "not HTTP/2: it starts with \x1b]0;owned\a")
	s.handlerExited(4, 0, 4714, 1200*time.Millisecond, cleanExit(), "not HTTP/2")
	s.at(4900 * time.Millisecond)
	a.attach(5, 4715)
	s.rejected(6, 4716, peerOf(6), "delta", "wrong token")
	s.handlerExited(6, 0, 4716, 900*time.Millisecond, cleanExit(), "finished: wrong token")

	work(5, 6, a, b, c)
	s.at(6300 * time.Millisecond)
	b.detach(2, "handler closed: connection reset")
	s.handlerExited(2, 2, 4712, 6300*time.Millisecond, cleanExit(), "connection reset by peer")

	for n := 7; n <= 20; n++ {
		work(n, n, a)
		charlieSuffers(c, n)
	}
	leave(20100*time.Millisecond, map[uint32]uint64{1: 5}, a)
	charlieStops(c)
	s.at(36300 * time.Millisecond)
	b.end(bulkheadv1.Outcome_OUTCOME_LOST, "no connection for 30s (handler closed: connection reset)")
	s.at(38400*time.Millisecond).ended(bulkheadv1.RunEnd_RUN_END_DRAINED, "SIGTERM")
	return s.records
}

// charlieSuffers is what charlie says in second n: one consumer is gone, the
// other runs out of space and then is stuck.
func charlieSuffers(c *actor, n int) {
	gone := &bulkheadv1.HeartbeatMiss{Process: c.process(kindConsumer, 1), Reason: "process is gone (killed by SIGKILL)"}
	c.at(time.Duration(n)*time.Second + 90*time.Millisecond)
	switch n {
	case 8:
		gone.Reason = "no answer in 2s"
		c.say(c.heartbeat(4, gone), c.progress(0, 9, 3, "write /mnt/data: no space left on device"))
	case 10, 12, 14:
		beat := c.heartbeat(uint64(n/2), gone)
		stuck := beat.GetHeartbeat().GetAnswers()[0]
		stuck.State = bulkheadv1.WorkerState_WORKER_STATE_STALLED
		stuck.StalledNano = int64(n-9) * int64(time.Second)
		stuck.Late, stuck.LatencyNano = n == 14, 1_100_000_000
		c.say(beat, c.progress(0, 0, 0, ""), &bulkheadv1.Message{Process: c.process(kindConsumer, 1),
			Fact: &bulkheadv1.Message_MonitorError{MonitorError: &bulkheadv1.MonitorError{Reason: "process 5321 is gone"}}})
	case 15:
		// What no client should say: half a batch, and a rate from nowhere.
		c.sayBytes(c.seq+1, c.seq+2, []byte{0x0a, 0x20, 0x08})
		broken := c.progress(0, 1, 0, "")
		broken.GetProgress().IntervalNano = -1
		c.say(broken)
	}
}

func charlieStops(c *actor) {
	dead := killedExit()
	dead.EndedUnixNano = runStart.Add(7300*time.Millisecond + c.ahead).UnixNano()
	c.at(21 * time.Second)
	c.say(c.stop(bulkheadv1.StopReason_STOP_REASON_RUNTIME, "", map[int32]*bulkheadv1.ProcessExit{c.pid(kindConsumer, 1): dead}))
	c.end(bulkheadv1.Outcome_OUTCOME_CLOSED, "said goodbye")
	c.handlerExited(3, 3, 4713, 21*time.Second, cleanExit(), "")
}
