package report

import (
	"testing"
	"time"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

const (
	closedByClient = bulkheadv1.DetachClass_DETACH_CLASS_CLOSED_BY_CLIENT
	silent         = bulkheadv1.DetachClass_DETACH_CLASS_SILENT
	byHandler      = bulkheadv1.DetachClass_DETACH_CLASS_HANDLER
	bySupervisor   = bulkheadv1.DetachClass_DETACH_CLASS_SUPERVISOR
	replaced       = bulkheadv1.DetachClass_DETACH_CLASS_REPLACED
	byBreach       = bulkheadv1.DetachClass_DETACH_CLASS_BREACH

	starved  = bulkheadv1.Absence_ABSENCE_STARVED
	network  = bulkheadv1.Absence_ABSENCE_NETWORK
	sentAway = bulkheadv1.Absence_ABSENCE_SENT_AWAY

	restarted = bulkheadv1.RestartKind_RESTART_KIND_RESTARTED
	upgraded  = bulkheadv1.RestartKind_RESTART_KIND_UPGRADED
)

// battered is a run in which every process dies at some time: the supervisor is killed
// and restarted and then upgraded, which alpha does not notice; bravo's handler hangs
// and the next dies with the supervisor; charlie is stopped for a while and golf's
// network is cut; delta dies; echo kills handlers; foxtrot's messages come later, with
// a load that failed; and connections are shed.
func battered(t testing.TB) []*bulkheadv1.Record {
	s := newStory(t, 7)
	var a [8]*actor // by session
	for i, name := range []string{"alpha", "bravo", "charlie", "delta", "echo", "golf"} {
		n := uint32(i + 1)
		s.at(time.Duration(n) * 40 * time.Millisecond)
		a[n] = s.arrive(name, n, uint64(n), int32(4710+n), 0)
		a[n].start()
	}
	alpha, bravo, charlie, delta, echo, golf := a[1], a[2], a[3], a[4], a[5], a[6]
	work(1, 4, alpha, bravo, charlie, delta, golf)

	s.at(4300 * time.Millisecond)
	echoPoisons(s, echo)
	s.at(4600 * time.Millisecond)
	bravo.detachAs(byHandler, 2, "handler hung: it has answered nothing for 6.4s; killed")
	s.handler(2, 2, 4712, bulkheadv1.ExitClass_EXIT_CLASS_HANG, "hung: it has answered nothing for 6.4s; killed", true)
	s.at(4700 * time.Millisecond)
	bravo.attachAfter(sentAway, 0, "the handler of this connection is gone", 12, 4722)

	work(5, 5, alpha, bravo, charlie, delta, golf)
	s.at(5900*time.Millisecond).restarted(restarted, &bulkheadv1.SupervisorRestarted{Pid: 4800, Version: "0.1.0", GoVersion: "go1.26.8",
		ExpectedClients: 7, Listen: "127.0.0.1:7420", TornBytes: 211, Torn: "record cut short: 203 of 1120 bytes",
		HandlersKept: 4, HandlersGone: 1})
	alpha.attach(1, 4711)
	charlie.attach(3, 4713)
	delta.attach(4, 4714)
	golf.attach(6, 4716)
	bravo.detachAs(bySupervisor, 12, "its handler did not survive the supervisor")
	s.handler(12, 2, 4722, bulkheadv1.ExitClass_EXIT_CLASS_ORPHANED, "ended while no supervisor was running", false)
	orphan := s.records[len(s.records)-1].GetHandlerExited().Exit
	orphan.UserCpuNano, orphan.SystemCpuNano, orphan.MaxResidentBytes = 0, 0, 0
	s.at(6100*time.Millisecond).shed(1204, "max_clients of 6 reached", 150*time.Millisecond)
	bravo.at(6200*time.Millisecond).attachAfter(sentAway, 0, "connection reset by peer", 13, 4723)

	work(7, 8, alpha, bravo, golf)
	s.at(8100 * time.Millisecond)
	delta.detachAs(closedByClient, 4, "the client's machine closed the connection")
	s.handlerExited(4, 4, 4714, 8*time.Second, cleanExit(), "connection reset by peer")
	charlie.detachAs(silent, 3, "nothing heard for 3s")
	s.handlerExited(3, 3, 4713, 8*time.Second, cleanExit(), "the client answered no ping for 3s")
	golf.detachAs(silent, 6, "nothing heard for 3s")
	s.handlerExited(6, 6, 4716, 8*time.Second, cleanExit(), "the client answered no ping for 3s")
	s.at(8300*time.Millisecond).shed(96, "max_clients of 6 reached", 2*time.Second)
	s.shed(1, "source 192.0.2.7 has 20 connections", 0)
	charlie.at(15*time.Second).attachAfter(starved, 9100*time.Millisecond, "keepalive ping failed to receive ACK within timeout", 14, 4724)
	golf.at(16*time.Second).attachAfter(network, 0, "read tcp: connection timed out", 15, 4725)
	s.at(17*time.Second).restarted(upgraded, &bulkheadv1.SupervisorRestarted{Pid: 4800, Version: "0.2.0", GoVersion: "go1.26.9",
		ExpectedClients: 7, Listen: "127.0.0.1:7420", HandlersKept: 4})
	alpha.attach(1, 4711)
	bravo.attach(13, 4723)
	charlie.attach(14, 4724)
	golf.attach(15, 4725)
	work(18, 20, alpha, bravo, charlie, golf)
	foxtrotComesLater(s)
	leave(20100*time.Millisecond, map[uint32]uint64{1: 1, 2: 13, 3: 14, 6: 15}, alpha, bravo, charlie, golf)
	delta.at(38100*time.Millisecond).end(bulkheadv1.Outcome_OUTCOME_LOST, "no connection for 30s")
	s.at(41*time.Second).ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
	return s.records
}

// echoPoisons has one frame of echo kill three handlers.
func echoPoisons(s *story, echo *actor) {
	classes := []bulkheadv1.ExitClass{bulkheadv1.ExitClass_EXIT_CLASS_CRASH, bulkheadv1.ExitClass_EXIT_CLASS_OOM,
		bulkheadv1.ExitClass_EXIT_CLASS_SANDBOX}
	causes := []string{"killed by signal 11 (SIGSEGV)", "ran out of memory: probably killed by the system's out-of-memory killer",
		"did what its sandbox forbids: killed by signal 31 (SIGSYS)"}
	pids, connections := []int32{4715, 4718, 4719}, []uint64{5, 8, 9}
	for i, id := range connections {
		if i > 0 {
			echo.attachAfter(sentAway, 0, "the handler of this connection is gone", id, pids[i])
		}
		echo.at(echo.after+50*time.Millisecond).detachAs(byHandler, id, "handler "+causes[i])
		s.handler(id, 5, pids[i], classes[i], causes[i], true)
	}
	echo.end(bulkheadv1.Outcome_OUTCOME_QUARANTINED, "the batch after message 4 kept killing handlers")
	end := s.records[len(s.records)-1].GetSessionEnded()
	end.QuarantineFile, end.KilledHandlers = "quarantine/session-5-after-4.frame", 3
}

// foxtrotComesLater delivers what a client left behind whose load had failed.
func foxtrotComesLater(s *story) {
	f := s.at(19*time.Second).arrive("foxtrot", 7, 17, 4727, -10*time.Minute)
	s.records[len(s.records)-2].GetSessionOpened().GetHello().Resent = true
	f.start()
	f.say(f.progress(0, 5, 1, "write /mnt/data: input/output error"))
	oom := &bulkheadv1.ProcessExit{Class: bulkheadv1.ExitClass_EXIT_CLASS_OOM, ExitCode: 2,
		Cause: "ran out of memory: exit status 2: fatal error: runtime: out of memory", ReadBlocks: 128, WrittenBlocks: 4096, MajorFaults: 77}
	late := &bulkheadv1.ProcessExit{Class: bulkheadv1.ExitClass_EXIT_CLASS_KILLED, Cause: "did not end in 10s and was killed"}
	f.at(19500 * time.Millisecond).say(f.stop(bulkheadv1.StopReason_STOP_REASON_FAILED,
		"every consumer is gone:\nconsumer 0: ran out of memory: exit status 2\r\n\n  consumer 1: no space left on device\x1b[2J\n",
		map[int32]*bulkheadv1.ProcessExit{f.pid(kindConsumer, 0): oom, f.pid(kindMonitor, 0): late}))
	f.end(bulkheadv1.Outcome_OUTCOME_CLOSED, "said goodbye")
	s.handler(17, 7, 4727, bulkheadv1.ExitClass_EXIT_CLASS_PROTOCOL, "broke the protocol: it acknowledged what nobody sent; killed", false)
}

// handler ends a handler that did not end in order.
func (s *story) handler(connection uint64, session uint32, pid int32, class bulkheadv1.ExitClass, cause string, atWork bool) {
	s.handlerExited(connection, session, pid, 600*time.Millisecond, &bulkheadv1.ProcessExit{Class: class, Cause: cause}, "")
	s.records[len(s.records)-1].GetHandlerExited().AtWork = atWork
}
