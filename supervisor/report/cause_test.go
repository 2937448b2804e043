package report

import (
	"slices"
	"strings"
	"testing"
	"time"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// A cause begins with what its class says already. The texts say it once.
func TestTextsSayAClassOnce(t *testing.T) {
	for _, test := range []struct {
		class       string
		cause       string
		deed, table string
	}{
		{ExitHang, "hung: it has answered nothing for 6.4s; killed", " hung: it has answered nothing for 6.4s; killed", "it has answered nothing for 6.4s; killed"},
		{ExitHang, "hung", " hung", ""},
		{ExitHang, "hungry; killed", " hung: hungry; killed", "hungry; killed"},
		{ExitHang, "", " hung", ""},
		{ExitOOM, "ran out of memory: exit status 2", " ran out of memory: exit status 2", "exit status 2"},
		{ExitOOM, "killed by signal 9 (SIGKILL)", " ran out of memory: killed by signal 9 (SIGKILL)", "killed by signal 9 (SIGKILL)"},
		{ExitProtocol, "broke the protocol: a lie; killed", " broke the protocol: a lie; killed", "a lie; killed"},
		{ExitSandbox, "did what its sandbox forbids: killed by signal 31 (SIGSYS)", " did what its sandbox does not allow: killed by signal 31 (SIGSYS)", "killed by signal 31 (SIGSYS)"},
		{ExitCrash, "killed by signal 11 (SIGSEGV)", " crashed: killed by signal 11 (SIGSEGV)", "killed by signal 11 (SIGSEGV)"},
		{ExitCrash, "hung: not its own word", " crashed: hung: not its own word", "hung: not its own word"},
		{ExitStopped, "stopped at its first error: no space left", " stopped at its first error: no space left", "stopped at its first error: no space left"},
		{ExitOrphaned, "ended while no supervisor was running", " ended while no supervisor was running", "ended while no supervisor was running"},
		{ExitOrphaned, "why", " ended with nobody there to see how: why", "why"},
		{ExitNotStarted, "never started: no such file", " was never started: no such file", "no such file"},
		{ExitNotStarted, "never started", " was never started", ""},
		{ExitKilled, "did not end in time and was killed", ": did not end in time and was killed", "did not end in time and was killed"},
		{ExitKilled, "", " did not end in time and was killed", ""},
	} {
		e := &Exit{Class: test.class, Cause: test.cause}
		if got := deed(e); got != test.deed {
			t.Errorf("%s, %q: deed %q; want %q", test.class, test.cause, got, test.deed)
		}
		if got := exitCells(e); got[len(got)-1] != test.table {
			t.Errorf("%s, %q: table says %q; want %q", test.class, test.cause, got[len(got)-1], test.table)
		}
		if got := handlerCause(&Handler{Exit: e}); got != test.table {
			t.Errorf("%s, %q: table of handlers says %q; want %q", test.class, test.cause, got, test.table)
		}
	}
}

// A consumer that did what it was told to did not crash; one that a signal ended did.
func TestStoppedAtAnErrorIsNoCrash(t *testing.T) {
	const failed = bulkheadv1.StopReason_STOP_REASON_FAILED
	words := exitOf(&bulkheadv1.ProcessExit{Class: bulkheadv1.ExitClass_EXIT_CLASS_CRASH, Cause: "stopped at its first error, as on_error says"}, new(axis).exit)
	if words.Class != ExitCrash {
		t.Errorf("words alone make it %s; want %s", words.Class, ExitCrash)
	}
	for want, e := range map[string]*bulkheadv1.ProcessExit{
		ExitStopped: {Class: bulkheadv1.ExitClass_EXIT_CLASS_CRASH, ExitCode: 1, Cause: "in any words", EndedWork: failed},
		ExitCrash:   {Class: bulkheadv1.ExitClass_EXIT_CLASS_CRASH, Signal: 11, Cause: "stopped at its first error, as on_error says", EndedWork: failed},
		ExitKilled:  {Class: bulkheadv1.ExitClass_EXIT_CLASS_KILLED, EndedWork: failed},
	} {
		got := exitOf(e, new(axis).exit)
		if got.Class != want || !workerFailed(&Process{Kind: KindConsumer, Exit: &got}) && want == ExitStopped {
			t.Errorf("%v: class %s; want %s", e, got.Class, want)
		}
	}
}

// A process that was not the supervisor's child used nobody knows what.
func TestTextsLeaveUnknownUsageOut(t *testing.T) {
	for _, test := range []struct {
		e    Exit
		want []string
	}{
		{Exit{}, []string{"–", "–", "–"}},
		{Exit{UserCPUNano: 1e9}, []string{"1s", "0s", "–"}},
		{Exit{MaxResidentBytes: 9_400_000}, []string{"0s", "0s", "9.4 MB"}},
	} {
		if got := usageCells(&test.e); !slices.Equal(got, test.want) {
			t.Errorf("%+v: %q; want %q", test.e, got, test.want)
		}
	}
	if got := lifetime(&Exit{EndedAt: 1}); got != "–" {
		t.Errorf("lifetime %q of a process whose start is not known", got)
	}
}

// A connection's cause that names the handler needs no judgement that does.
func TestTextsSayTheHandlerOnce(t *testing.T) {
	s := newStory(t, 1)
	a := s.arrive("a", 1, 1, 4001, 0)
	a.at(time.Second).detachAs(byHandler, 1, "handler hung: deaf; killed")
	a.attachAfter(network, 0, "", 2, 4002)
	a.at(2*time.Second).detachAs(byHandler, 2, "it lied")
	a.end(bulkheadv1.Outcome_OUTCOME_LOST, "gone")
	text, _ := render(t, foldAll(t, s.records))
	for _, want := range []string{" away: handler hung: deaf; killed\n", " away (handler): it lied\n"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}
