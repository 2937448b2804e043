package stories

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bulkhead/internal/testing/folded"
	"bulkhead/internal/testing/story"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/fold"
)

func TestVerdict(t *testing.T) {
	closeIn := func(s *story.Story, name string, n uint32) *story.Actor {
		a := s.Arrive(name, n, uint64(n), 4000+int32(n), 0)
		a.Start()
		return a
	}
	finish := func(a *story.Actor) {
		a.Worked(0, 1)
		a.Say(a.Stop(bulkheadv1.StopReason_STOP_REASON_RUNTIME, "", nil))
		a.End(bulkheadv1.Outcome_OUTCOME_CLOSED, "")
	}
	tests := []struct {
		name    string
		clients uint32
		reasons string
		tell    func(*story.Story)
	}{
		{"done", 1, "", func(s *story.Story) {
			finish(closeIn(s, "a", 1))
			s.Ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
		}},
		{"drained, all closed", 1, "", func(s *story.Story) {
			finish(closeIn(s, "a", 1))
			s.Ended(bulkheadv1.RunEnd_RUN_END_DRAINED, "")
		}},
		{"more than expected", 1, "", func(s *story.Story) {
			finish(closeIn(s, "a", 1))
			finish(closeIn(s, "b", 2))
			s.Ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
		}},
		{"nameless rejection", 1, "", func(s *story.Story) {
			s.Rejected(9, 1, "", "", "garbage")
			finish(closeIn(s, "a", 1))
			s.Ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
		}},
		{"named rejection", 1, "client b was rejected 2 times: wrong token", func(s *story.Story) {
			s.Rejected(8, 1, "", "b", "wrong token")
			s.Rejected(9, 1, "", "b", "wrong token")
			finish(closeIn(s, "a", 1))
			s.Ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
		}},
		{"failed", 0, "the supervisor could not continue: journal is full", func(s *story.Story) {
			s.Ended(bulkheadv1.RunEnd_RUN_END_FAILED, "journal is full")
		}},
		{"no reason", 0, "the run ended for an unknown reason",
			func(s *story.Story) { s.Ended(bulkheadv1.RunEnd_RUN_END_UNSPECIFIED, "") }},
		{"one expected", 1, "expected 1 client, 0 came",
			func(s *story.Story) { s.Ended(bulkheadv1.RunEnd_RUN_END_DONE, "") }},
		{"one client twice", 2, "expected 2 clients, 1 came", func(s *story.Story) {
			finish(closeIn(s, "a", 1))
			b := closeIn(s, "b", 2)
			finish(b)
			opened := s.Records[1].GetSessionOpened()
			for _, r := range s.Records[2:] {
				if again := r.GetSessionOpened(); again != nil {
					again.GetHello().ClientId = opened.GetHello().GetClientId()
				}
			}
			s.Ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
		}},
		{"quarantined", 1, "client a: quarantined: its batch 7 killed 3 handlers", func(s *story.Story) {
			closeIn(s, "a", 1).End(bulkheadv1.Outcome_OUTCOME_QUARANTINED, "its batch 7 killed 3 handlers")
			s.Ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
		}},
		{"quarantined, nothing kept", 1,
			"client a: quarantined: poison; 3 handlers killed, and what did it is not kept", func(s *story.Story) {
				closeIn(s, "a", 1).End(bulkheadv1.Outcome_OUTCOME_QUARANTINED, "poison")
				s.Records[len(s.Records)-1].GetSessionEnded().KilledHandlers = 3
				s.Ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
			}},
		{"quarantined, frame kept", 1,
			"client a: quarantined: poison; what killed 1 handler is kept in quarantine/a.frame", func(s *story.Story) {
				closeIn(s, "a", 1).End(bulkheadv1.Outcome_OUTCOME_QUARANTINED, "poison")
				end := s.Records[len(s.Records)-1].GetSessionEnded()
				end.KilledHandlers, end.QuarantineFile = 1, "quarantine/a.frame"
				s.Ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
			}},
		{"rejected", 1, "client a: rejected: gap in sequence", func(s *story.Story) {
			closeIn(s, "a", 1).End(bulkheadv1.Outcome_OUTCOME_REJECTED, "gap in sequence")
			s.Ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
		}},
		{"open at the end", 1, "client a: open: still connected through handler 4001", func(s *story.Story) {
			closeIn(s, "a", 1)
			s.Ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
		}},
		{"away, no end", 1, "the run has no end: the supervisor was killed or is still running, or it could not " +
			"write its journal\nclient a: open: away: cut", func(s *story.Story) {
			closeIn(s, "a", 1).At(time.Second).Detach(1, "cut")
		}},
		{"never served", 1, "client a: open: never served by a handler", func(s *story.Story) {
			closeIn(s, "a", 1)
			s.Records = s.Records[:2]
			s.Ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := story.New(t, test.clients)
			test.tell(s)
			r := folded.All(t, s.Records)
			if diff := cmp.Diff(test.reasons, strings.Join(r.Verdict.Reasons, "\n")); diff != "" {
				t.Errorf("reasons (-want +got):\n%s", diff)
			}
			if r.Complete() != (test.reasons == "") {
				t.Errorf("complete is %v", r.Complete())
			}
		})
	}
}

// In the report of a run that continues, to have no end is nothing wrong, but it is not
// complete; who is away, and who has not come, is said. A run that has ended is judged.
func TestVerdictSoFar(t *testing.T) {
	soFar := func(records []*bulkheadv1.Record) report.Verdict {
		f := fold.NewFolder()
		for _, r := range records {
			if err := f.Add(r); err != nil {
				t.Fatal(err)
			}
		}
		return f.SoFar().Verdict
	}
	two := story.KilledSupervisor(t)
	away := "client bravo: open: away: connection reset by peer"
	for _, test := range []struct {
		name    string
		records []*bulkheadv1.Record
		want    report.Verdict
	}{
		{"nobody yet", story.New(t, 2).Records,
			report.Verdict{Word: report.WordRunning, Running: true, Headline: "no client has come yet",
				Reasons: []string{"expected 2 clients, 0 came so far"}}},
		{"at work and away", two, report.Verdict{Word: report.WordRunning, Running: true,
			Headline: "1 of 2 clients at work", Reasons: []string{away}}},
		{"ended", story.EmptyRun(t), report.Verdict{Word: report.WordPartial, Headline: "no client came",
			Reasons: []string{"expected 2 clients, 0 came"}}},
	} {
		got := soFar(test.records)
		got.Warnings, got.Interruptions = nil, nil
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
	s := story.New(t, 1)
	a := s.Arrive("a", 1, 1, 4001, 0)
	a.Start()
	if v := soFar(s.Records); v.Complete || len(v.Reasons) > 0 {
		t.Errorf("a client at work: complete %t, reasons %q", v.Complete, v.Reasons)
	}
	a.Say(a.Stop(bulkheadv1.StopReason_STOP_REASON_RUNTIME, "", nil))
	a.End(bulkheadv1.Outcome_OUTCOME_CLOSED, "")
	if v := soFar(s.Records); v.Complete || v.Headline != "0 of 1 client at work, 1 closed" {
		t.Errorf("a client that closed: complete %t, %q", v.Complete, v.Headline)
	}
}

// What goes wrong at a client that closes, beside its load, is a warning and not a
// reason. What a consumer that was not waited for had not said is lost.
func TestWarnings(t *testing.T) {
	s := story.New(t, 1)
	a := s.Arrive("a", 1, 1, 4001, 0)
	a.Consumers = 6
	a.Start()
	a.Worked(0, 1, 2, 3, 4)
	a.Say(a.Progress(0, 1, 1, "disk full"))
	read := a.Progress(0, 1, 0, "")
	read.GetProgress().VerifiedBytes, read.GetProgress().VerifiedCachedBytes = 3_000_000, 2_000_000
	a.Say(read)
	a.At(10*time.Second).DetachAs(story.Silent, 1, "")
	a.At(15*time.Second).AttachAfter(story.Starved, 4*time.Second, "", 2, 4002)
	a.At(20*time.Second).DetachAs(story.Silent, 2, "")
	a.At(26*time.Second).AttachAfter(story.Starved, 5*time.Second, "", 3, 4003)
	a.At(30*time.Second).DetachAs(story.ClosedByClient, 3, "")
	a.At(32*time.Second).AttachAfter(story.Network, 9*time.Second, "", 4, 4004)
	exits := map[int32]*bulkheadv1.ProcessExit{
		a.Pid(story.KindConsumer, 5): {Class: bulkheadv1.ExitClass_EXIT_CLASS_KILLED,
			Cause: "killed because the client was interrupted a second time"},
		a.Pid(story.KindMonitor, 0): {Class: bulkheadv1.ExitClass_EXIT_CLASS_KILLED},
	}
	a.At(90 * time.Second).Say(a.Stop(bulkheadv1.StopReason_STOP_REASON_INTERRUPTED, "SIGINT", exits))
	a.End(bulkheadv1.Outcome_OUTCOME_CLOSED, "")
	s.HandlerExited(4, 1, 4004, time.Second, &bulkheadv1.ProcessExit{Class: bulkheadv1.ExitClass_EXIT_CLASS_KILLED,
		Cause: "did not end in time and was killed"}, "")
	s.Ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
	r := folded.All(t, s.Records)
	want := []string{
		"client a: starved 2 times: it was away because it did not get to run for 9s",
		"client a: its network was gone, for 2s",
		"client a: monitor (pid 5130) did not end in time and was killed",
		"client a: 1 write error, the last: disk full",
		"client a: 2 MB of the 3 MB that were verified may have come from the page cache and not from storage",
		"handler 4004 (a): did not end in time and was killed",
	}
	if diff := cmp.Diff(want, r.Verdict.Warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
	lost := []string{"client a: consumer 5 (pid 5125): killed because the client was interrupted a second time"}
	if !slices.Equal(r.Verdict.Reasons, lost) ||
		r.Verdict.Interruptions[0] != "client a: interrupted after 1m30s of 20s: SIGINT" {
		t.Errorf("%s: reasons %q, interruptions %q", r.Verdict.Word, r.Verdict.Reasons, r.Verdict.Interruptions)
	}
}

// A client that closes, but whose load failed, makes the run partial.
func TestFailedLoadsArePartial(t *testing.T) {
	tests := []struct {
		class bulkheadv1.ExitClass
		want  string
	}{
		{bulkheadv1.ExitClass_EXIT_CLASS_CLEAN, ""},
		{bulkheadv1.ExitClass_EXIT_CLASS_KILLED, "client a: consumer 1 (pid 5121): why"},
		{bulkheadv1.ExitClass_EXIT_CLASS_CRASH, "client a: consumer 1 (pid 5121) crashed: why"},
		{bulkheadv1.ExitClass_EXIT_CLASS_OOM, "client a: consumer 1 (pid 5121) ran out of memory: why"},
		{bulkheadv1.ExitClass_EXIT_CLASS_HANG, "client a: consumer 1 (pid 5121) hung: why"},
		{bulkheadv1.ExitClass_EXIT_CLASS_PROTOCOL, "client a: consumer 1 (pid 5121) broke the protocol: why"},
		{bulkheadv1.ExitClass_EXIT_CLASS_ORPHANED,
			"client a: consumer 1 (pid 5121) ended unobserved: why"},
		{bulkheadv1.ExitClass_EXIT_CLASS_SANDBOX,
			"client a: consumer 1 (pid 5121) did what its sandbox does not allow: why"},
		{bulkheadv1.ExitClass_EXIT_CLASS_NEVER, "client a: consumer 1 (pid 5121): why"},
		{bulkheadv1.ExitClass_EXIT_CLASS_NOT_STARTED, "client a: consumer 1 (pid 5121) was never started: why"},
	}
	for _, test := range tests {
		t.Run(test.class.String(), func(t *testing.T) {
			s := story.New(t, 1)
			a := s.Arrive("a", 1, 1, 4001, 0)
			a.Start()
			a.Say(a.Stop(bulkheadv1.StopReason_STOP_REASON_DRAINED, "", map[int32]*bulkheadv1.ProcessExit{
				a.Pid(story.KindConsumer, 1): {Class: test.class, Cause: "why", ReadBlocks: 1, WrittenBlocks: 2,
					MajorFaults: 3}}))
			a.End(bulkheadv1.Outcome_OUTCOME_CLOSED, "")
			s.Ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
			r := folded.All(t, s.Records)
			if got := strings.Join(r.Verdict.Reasons, "\n"); got != test.want {
				t.Errorf("reasons %q, want %q", got, test.want)
			}
			if e := r.Clients[0].Processes[2].Exit; e.ReadBlocks != 1 || e.WrittenBlocks != 2 || e.MajorFaults != 3 {
				t.Errorf("exit %+v", e)
			}
		})
	}
	s := story.New(t, 1)
	a := s.Arrive("a", 1, 1, 4001, 0)
	a.Start()
	a.Say(a.Stop(bulkheadv1.StopReason_STOP_REASON_FAILED, "the spool is full", nil))
	a.End(bulkheadv1.Outcome_OUTCOME_CLOSED, "")
	s.Ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
	want := []string{"client a: its load could not continue: the spool is full"}
	if diff := cmp.Diff(want, folded.All(t, s.Records).Verdict.Reasons); diff != "" {
		t.Errorf("reasons (-want +got):\n%s", diff)
	}
}
