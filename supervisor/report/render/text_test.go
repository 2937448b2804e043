package render

import (
	"slices"
	"testing"

	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/words"
)

// A cause begins with what its class says already. The texts say it once.
func TestTextsSayAClassOnce(t *testing.T) {
	for _, test := range []struct {
		class       string
		cause       string
		deed, table string
	}{
		{report.ExitHang, "hung: it has answered nothing for 6.4s; killed",
			" hung: it has answered nothing for 6.4s; killed", "it has answered nothing for 6.4s; killed"},
		{report.ExitHang, "hung", " hung", ""},
		{report.ExitHang, "hungry; killed", " hung: hungry; killed", "hungry; killed"},
		{report.ExitHang, "", " hung", ""},
		{report.ExitOOM, "ran out of memory: exit status 2", " ran out of memory: exit status 2", "exit status 2"},
		{report.ExitOOM, "killed by signal 9 (SIGKILL)", " ran out of memory: killed by signal 9 (SIGKILL)",
			"killed by signal 9 (SIGKILL)"},
		{report.ExitProtocol, "broke the protocol: a lie; killed", " broke the protocol: a lie; killed",
			"a lie; killed"},
		{report.ExitSandbox, "did what its sandbox forbids: killed by signal 31 (SIGSYS)",
			" did what its sandbox does not allow: killed by signal 31 (SIGSYS)", "killed by signal 31 (SIGSYS)"},
		{report.ExitCrash, "killed by signal 11 (SIGSEGV)", " crashed: killed by signal 11 (SIGSEGV)",
			"killed by signal 11 (SIGSEGV)"},
		{report.ExitCrash, "hung: not its own word", " crashed: hung: not its own word", "hung: not its own word"},
		{report.ExitStopped, "stopped at its first error: no space left", " stopped at its first error: no space left",
			"stopped at its first error: no space left"},
		{report.ExitOrphaned, "ended while no supervisor was running", " ended while no supervisor was running",
			"ended while no supervisor was running"},
		{report.ExitOrphaned, "why", " ended unobserved: why", "why"},
		{report.ExitNotStarted, "never started: no such file", " was never started: no such file", "no such file"},
		{report.ExitNotStarted, "never started", " was never started", ""},
		{report.ExitKilled, "did not end in time and was killed", ": did not end in time and was killed",
			"did not end in time and was killed"},
		{report.ExitKilled, "", " did not end in time and was killed", ""},
	} {
		e := &report.Exit{Class: test.class, Cause: test.cause}
		if got := words.Deed(e); got != test.deed {
			t.Errorf("%s, %q: deed %q; want %q", test.class, test.cause, got, test.deed)
		}
		if got := exitCells(e); got[len(got)-1] != test.table {
			t.Errorf("%s, %q: table says %q; want %q", test.class, test.cause, got[len(got)-1], test.table)
		}
		if got := handlerCause(&report.Handler{Exit: e}); got != test.table {
			t.Errorf("%s, %q: table of handlers says %q; want %q", test.class, test.cause, got, test.table)
		}
	}
}

// A process that was not the supervisor's child used nobody knows what.
func TestTextsLeaveUnknownUsageOut(t *testing.T) {
	for _, test := range []struct {
		e    report.Exit
		want []string
	}{
		{report.Exit{}, []string{"–", "–", "–"}},
		{report.Exit{UserCPUNano: 1e9}, []string{"1s", "0s", "–"}},
		{report.Exit{MaxResidentBytes: 9_400_000}, []string{"0s", "0s", "9.4 MB"}},
	} {
		if got := usageCells(&test.e); !slices.Equal(got, test.want) {
			t.Errorf("%+v: %q; want %q", test.e, got, test.want)
		}
	}
	if got := lifetime(&report.Exit{EndedAt: 1}); got != "–" {
		t.Errorf("lifetime %q of a process whose start is not known", got)
	}
}
