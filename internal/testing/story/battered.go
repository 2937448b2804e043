package story

import (
	"testing"
	"time"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

const (
	ClosedByClient = bulkheadv1.DetachClass_DETACH_CLASS_CLOSED_BY_CLIENT
	Silent         = bulkheadv1.DetachClass_DETACH_CLASS_SILENT
	ByHandler      = bulkheadv1.DetachClass_DETACH_CLASS_HANDLER
	BySupervisor   = bulkheadv1.DetachClass_DETACH_CLASS_SUPERVISOR
	Replaced       = bulkheadv1.DetachClass_DETACH_CLASS_REPLACED
	ByBreach       = bulkheadv1.DetachClass_DETACH_CLASS_BREACH

	Starved  = bulkheadv1.Absence_ABSENCE_STARVED
	Network  = bulkheadv1.Absence_ABSENCE_NETWORK
	SentAway = bulkheadv1.Absence_ABSENCE_SENT_AWAY

	Restarted = bulkheadv1.RestartKind_RESTART_KIND_RESTARTED
	Upgraded  = bulkheadv1.RestartKind_RESTART_KIND_UPGRADED
)

// Battered returns a run in which every process dies at some time: the supervisor is killed
// and restarted and then upgraded, which alpha does not notice; bravo's handler hangs
// and the next dies with the supervisor; charlie is stopped for a while and golf's
// network is cut; delta dies; echo kills handlers; foxtrot's messages come later, with
// a load that failed; and connections are shed.
func Battered(t testing.TB) []*bulkheadv1.Record {
	s := New(t, 7)
	var a [8]*Actor // by session
	for i, name := range []string{"alpha", "bravo", "charlie", "delta", "echo", "golf"} {
		n := uint32(i + 1)
		s.At(time.Duration(n) * 40 * time.Millisecond)
		a[n] = s.Arrive(name, n, uint64(n), int32(4710+n), 0)
		a[n].Start()
	}
	alpha, bravo, charlie, delta, echo, golf := a[1], a[2], a[3], a[4], a[5], a[6]
	Work(1, 4, alpha, bravo, charlie, delta, golf)

	s.At(4300 * time.Millisecond)
	echoPoisons(s, echo)
	s.At(4600 * time.Millisecond)
	bravo.DetachAs(ByHandler, 2, "handler hung: it has answered nothing for 6.4s; killed")
	s.Handler(2, 2, 4712, bulkheadv1.ExitClass_EXIT_CLASS_HANG, "hung: it has answered nothing for 6.4s; killed", true)
	s.At(4700 * time.Millisecond)
	bravo.AttachAfter(SentAway, 0, "the handler of this connection is gone", 12, 4722)

	Work(5, 5, alpha, bravo, charlie, delta, golf)
	s.At(5900*time.Millisecond).Restarted(Restarted,
		&bulkheadv1.SupervisorRestarted{Pid: 4800, Version: "0.1.0", GoVersion: "go1.26.8",
			ExpectedClients: 7, Listen: "127.0.0.1:7420", TornBytes: 211, Torn: "record cut short: 203 of 1120 bytes",
			HandlersKept: 4, HandlersGone: 1})
	alpha.Attach(1, 4711)
	charlie.Attach(3, 4713)
	delta.Attach(4, 4714)
	golf.Attach(6, 4716)
	bravo.DetachAs(BySupervisor, 12, "its handler did not survive the supervisor")
	s.Handler(12, 2, 4722, bulkheadv1.ExitClass_EXIT_CLASS_ORPHANED, "ended while no supervisor was running", false)
	orphan := s.Records[len(s.Records)-1].GetHandlerExited().Exit
	orphan.UserCpuNano, orphan.SystemCpuNano, orphan.MaxResidentBytes = 0, 0, 0
	s.At(6100*time.Millisecond).Shed(1204, "max_clients of 6 reached", 150*time.Millisecond)
	bravo.At(6200*time.Millisecond).AttachAfter(SentAway, 0, "connection reset by peer", 13, 4723)

	Work(7, 8, alpha, bravo, golf)
	s.At(8100 * time.Millisecond)
	delta.DetachAs(ClosedByClient, 4, "the client's machine closed the connection")
	s.HandlerExited(4, 4, 4714, 8*time.Second, CleanExit(), "connection reset by peer")
	charlie.DetachAs(Silent, 3, "nothing heard for 3s")
	s.HandlerExited(3, 3, 4713, 8*time.Second, CleanExit(), "the client answered no ping for 3s")
	golf.DetachAs(Silent, 6, "nothing heard for 3s")
	s.HandlerExited(6, 6, 4716, 8*time.Second, CleanExit(), "the client answered no ping for 3s")
	s.At(8300*time.Millisecond).Shed(96, "max_clients of 6 reached", 2*time.Second)
	s.Shed(1, "source 192.0.2.7 has 20 connections", 0)
	charlie.At(15*time.Second).AttachAfter(Starved, 9100*time.Millisecond,
		"keepalive ping failed to receive ACK within timeout", 14, 4724)
	golf.At(16*time.Second).AttachAfter(Network, 0, "read tcp: connection timed out", 15, 4725)
	s.At(17*time.Second).Restarted(Upgraded,
		&bulkheadv1.SupervisorRestarted{Pid: 4800, Version: "0.2.0", GoVersion: "go1.26.9",
			ExpectedClients: 7, Listen: "127.0.0.1:7420", HandlersKept: 4})
	alpha.Attach(1, 4711)
	bravo.Attach(13, 4723)
	charlie.Attach(14, 4724)
	golf.Attach(15, 4725)
	Work(18, 20, alpha, bravo, charlie, golf)
	foxtrotComesLater(s)
	Leave(20100*time.Millisecond, map[uint32]uint64{1: 1, 2: 13, 3: 14, 6: 15}, alpha, bravo, charlie, golf)
	delta.At(38100*time.Millisecond).End(bulkheadv1.Outcome_OUTCOME_LOST, "no connection for 30s")
	s.At(41*time.Second).Ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
	return s.Records
}

// echoPoisons lets one frame of echo kill three handlers.
func echoPoisons(s *Story, echo *Actor) {
	classes := []bulkheadv1.ExitClass{bulkheadv1.ExitClass_EXIT_CLASS_CRASH, bulkheadv1.ExitClass_EXIT_CLASS_OOM,
		bulkheadv1.ExitClass_EXIT_CLASS_SANDBOX}
	causes := []string{"killed by signal 11 (SIGSEGV)",
		"ran out of memory: probably killed by the system's out-of-memory killer",
		"did what its sandbox forbids: killed by signal 31 (SIGSYS)"}
	pids, connections := []int32{4715, 4718, 4719}, []uint64{5, 8, 9}
	for i, id := range connections {
		if i > 0 {
			echo.AttachAfter(SentAway, 0, "the handler of this connection is gone", id, pids[i])
		}
		echo.At(echo.After+50*time.Millisecond).DetachAs(ByHandler, id, "handler "+causes[i])
		s.Handler(id, 5, pids[i], classes[i], causes[i], true)
	}
	echo.End(bulkheadv1.Outcome_OUTCOME_QUARANTINED, "the batch after message 4 kept killing handlers")
	end := s.Records[len(s.Records)-1].GetSessionEnded()
	end.QuarantineFile, end.KilledHandlers = "quarantine/session-5-after-4.frame", 3
}

// foxtrotComesLater delivers what a client left behind whose load had failed.
func foxtrotComesLater(s *Story) {
	f := s.At(19*time.Second).Arrive("foxtrot", 7, 17, 4727, -10*time.Minute)
	s.Records[len(s.Records)-2].GetSessionOpened().GetHello().Resent = true
	f.Start()
	f.Say(f.Progress(0, 5, 1, "write /mnt/data: input/output error"))
	oom := &bulkheadv1.ProcessExit{Class: bulkheadv1.ExitClass_EXIT_CLASS_OOM, ExitCode: 2,
		Cause: "ran out of memory: exit status 2: fatal error: runtime: out of memory", ReadBlocks: 128,
		WrittenBlocks: 4096, MajorFaults: 77}
	late := &bulkheadv1.ProcessExit{Class: bulkheadv1.ExitClass_EXIT_CLASS_KILLED,
		Cause: "did not end in 10s and was killed"}
	f.At(19500 * time.Millisecond).Say(f.Stop(bulkheadv1.StopReason_STOP_REASON_FAILED,
		"every consumer is gone:\nconsumer 0: ran out of memory: exit status 2\r\n\n  consumer 1: no space left on "+
			"device\x1b[2J\n",
		map[int32]*bulkheadv1.ProcessExit{f.Pid(KindConsumer, 0): oom, f.Pid(KindMonitor, 0): late}))
	f.End(bulkheadv1.Outcome_OUTCOME_CLOSED, "said goodbye")
	s.Handler(17, 7, 4727, bulkheadv1.ExitClass_EXIT_CLASS_PROTOCOL,
		"broke the protocol: it acknowledged what nobody sent; killed", false)
}

// Handler ends a handler that did not end in order.
func (s *Story) Handler(connection uint64, session uint32, pid int32, class bulkheadv1.ExitClass, cause string,
	atWork bool) {
	s.HandlerExited(connection, session, pid, 600*time.Millisecond, &bulkheadv1.ProcessExit{Class: class, Cause: cause},
		"")
	s.Records[len(s.Records)-1].GetHandlerExited().AtWork = atWork
}
