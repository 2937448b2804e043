package judge

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/words"
)

// A consumer whose end says that it failed is named once, and of many only the first.
func TestFailingConsumersAreFew(t *testing.T) {
	c := &report.Client{Label: "a", Processes: make([]report.Process, 9)}
	for i := range c.Processes {
		c.Processes[i] = report.Process{Kind: report.KindConsumer, Index: uint32(i), FailingSince: 1,
			Writes: &report.Writes{}}
	}
	c.Processes[0].Exit = &report.Exit{Class: report.ExitCrash}
	c.Processes[1].Exit = &report.Exit{Class: report.ExitClean}
	v := verdict{new(report.Verdict)}
	v.nameFailing(c)
	if len(v.Reasons) != 4 || !strings.HasPrefix(v.Reasons[0], "client a: consumer 1 ") ||
		v.Reasons[3] != "client a: 5 more consumers failed to the end" {
		t.Errorf("reasons %q", v.Reasons)
	}
}

// Heartbeats that a living worker did not answer are warned of; those of one that died
// are told with its end.
func TestWarningsOfMissedHeartbeats(t *testing.T) {
	missed := func(kind string, n uint32, missed uint64, exit *report.Exit) report.Process {
		h := &report.Heartbeats{HeartbeatTotals: report.HeartbeatTotals{Rounds: 20, Missed: missed}}
		if missed > 0 {
			h.MissedWhy = []report.Count{{Text: "no answer in 1s", Count: missed}}
		}
		return report.Process{Kind: kind, Index: n, Heartbeats: h, Exit: exit}
	}
	clean, crashed := &report.Exit{Class: report.ExitClean}, &report.Exit{Class: report.ExitCrash}
	c := &report.Client{Label: "a", Processes: []report.Process{
		{Kind: report.KindClient}, missed(report.KindConsumer, 0, 3, clean), missed(report.KindConsumer, 1, 0, clean),
		missed(report.KindConsumer, 2, 9, crashed),
		missed(report.KindConsumer, 3, 1, nil), missed(report.KindConsumer, 4, 1, clean),
		missed(report.KindMonitor, 0, 1, clean),
	}}
	v := verdict{new(report.Verdict)}
	v.warnOfMisses(c)
	want := []string{
		"client a: consumer 0 missed 3 of 20 heartbeats: no answer in 1s",
		"client a: consumer 3 missed 1 of 20 heartbeats: no answer in 1s",
		"client a: consumer 4 missed 1 of 20 heartbeats: no answer in 1s",
		"client a: 1 more worker missed heartbeats, too",
	}
	if diff := cmp.Diff(want, v.Warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

// A few bad workers are named one by one; of many only the first are.
func TestNamedWorkersAreFew(t *testing.T) {
	for bad, want := range map[int]int{0: 0, 3: 3, 4: 4, 5: 4, 500: 4} {
		c := &report.Client{Label: "a", Processes: make([]report.Process, bad)}
		for i := range c.Processes {
			c.Processes[i] = report.Process{Kind: report.KindConsumer, Exit: &report.Exit{Class: report.ExitCrash}}
		}
		v := verdict{new(report.Verdict)}
		nameWorkers(v.warn, c, words.WorkerFailed)
		if len(v.Warnings) != want {
			t.Errorf("%d bad workers give %d warnings, want %d", bad, len(v.Warnings), want)
		}
		if bad == 4 && strings.Contains(v.Warnings[3], "more workers") {
			t.Errorf("the last of four is not named: %q", v.Warnings[3])
		}
	}
}
