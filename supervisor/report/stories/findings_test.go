package stories

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bulkhead/internal/testing/folded"
	"bulkhead/internal/testing/story"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/judge"
	"bulkhead/supervisor/report/render"
)

// findingsOf returns the findings of one kind about a report that make changed, which has
// seconds intervals of 1 s and clients that each wrote rate bytes in every one of them.
func findingsOf(kind string, seconds, clients int, change func(*report.Report)) []report.Finding {
	r := &report.Report{Series: &report.Series{IntervalNano: 1e9, Intervals: seconds, ClientIntervalNano: 1e9,
		ClientIntervals: seconds}}
	r.Run.LengthNano = int64(seconds) * 1e9
	r.Series.Total.Bytes = make([]uint64, seconds)
	for i := range seconds {
		r.Series.Total.Bytes[i] = 100e6
	}
	for n := range clients {
		label := string(rune('a' + n))
		c := report.Client{Session: uint32(n + 1), Label: label, Outcome: report.OutcomeClosed,
			StoppedAt: report.Stamp(1e18)}
		c.BytesPerSecond, c.WritingNano = 100e6, 60e9
		s := report.ClientSeries{Session: c.Session, Bytes: make([]uint64, seconds), Rollovers: make([]uint64, seconds),
			P99Nano: make([]int64, seconds)}
		p := report.ProcessSeries{Kind: report.KindConsumer, Name: "consumer 0", CPU: make([]float32, seconds),
			Beats: strings.Repeat("a", seconds)}
		s.Processes = append(s.Processes, p)
		r.Clients, r.Series.Clients = append(r.Clients, c), append(r.Series.Clients, s)
	}
	change(r)
	var list []report.Finding
	for _, f := range judge.Findings(r) {
		if f.Kind == kind {
			list = append(list, f)
		}
	}
	return list
}

func TestFindings(t *testing.T) {
	cpu := func(r *report.Report, client int, hot int, at float32) {
		p := &r.Series.Clients[client].Processes[0]
		for i := range hot {
			p.CPU[i] = at
		}
	}
	rates := func(list ...float64) func(*report.Report) {
		return func(r *report.Report) {
			for i := range r.Series.Total.Bytes {
				r.Series.Total.Bytes[i] = uint64(list[i%len(list)] * 1e6)
			}
		}
	}
	rollovers := func(every int, with, without int64) func(*report.Report) {
		return func(r *report.Report) {
			c := &r.Series.Clients[0]
			for i := range c.P99Nano {
				c.P99Nano[i] = without
				if i%every == 0 {
					c.P99Nano[i], c.Rollovers[i] = with, 1
				}
			}
		}
	}
	stalled := func(r *report.Report) {
		r.Clients[0].Heartbeats = report.HeartbeatTotals{Answered: 9, Stalled: 2}
		r.Clients[0].Processes = []report.Process{
			{Kind: report.KindConsumer, Index: 0, Heartbeats: &report.Heartbeats{MaxStalledNano: 1e9}},
			{Kind: report.KindConsumer, Index: 1, Heartbeats: &report.Heartbeats{MaxStalledNano: 4e9}},
			{Kind: report.KindMonitor},
		}
	}
	tests := []struct {
		name             string
		kind             string
		seconds, clients int
		change           func(*report.Report)
		want             string // of the text or the evidence; "" for no finding
	}{
		{"half of the intervals", report.FindingClientBound, 20, 2, func(r *report.Report) { cpu(r, 1, 10, 0.96) },
			"client b was bound by its own processor, not by the storage: consumer 0"},
		{"less than half", report.FindingClientBound, 20, 2, func(r *report.Report) { cpu(r, 1, 9, 1) }, ""},
		{"four writers on two processors", report.FindingClientBound, 20, 1, func(r *report.Report) {
			cpu(r, 0, 20, 2)
			r.Clients[0].Workload.Consumers = []report.Consumer{{Index: 0, Concurrency: 4}}
		}, ""},
		{"four writers on four", report.FindingClientBound, 20, 1, func(r *report.Report) {
			cpu(r, 0, 20, 3.9)
			r.Clients[0].Workload.Consumers = []report.Consumer{{Index: 0, Concurrency: 4}}
		}, "3.8 processors or more in 20 of 20 intervals, 3.90 on average"},
		{"just below", report.FindingClientBound, 20, 1, func(r *report.Report) { cpu(r, 0, 20, 0.94) }, ""},
		{"while stalled", report.FindingClientBound, 20, 1, func(r *report.Report) {
			cpu(r, 0, 20, 1)
			r.Series.Clients[0].Processes[0].Beats = strings.Repeat("s", 20)
		}, ""},
		{"seldom sampled", report.FindingClientBound, 20, 1, func(r *report.Report) {
			cpu(r, 0, 20, -1)
			cpu(r, 0, 2, 1)
		}, ""},
		{"not sampled at times", report.FindingClientBound, 20, 1, func(r *report.Report) {
			cpu(r, 0, 20, -1)
			cpu(r, 0, 3, 1)
		}, "3 of 3 intervals, 1.00 on average"},
		{"the monitor does not write", report.FindingClientBound, 20, 1, func(r *report.Report) {
			cpu(r, 0, 20, 1)
			r.Series.Clients[0].Processes[0].Kind = report.KindMonitor
		}, ""},

		{"one answer", report.FindingStalled, 5, 1, stalled,
			"the storage of client a stalled: a system call of consumer 1 was stuck for 4s"},
		{"none", report.FindingStalled, 5, 1, func(*report.Report) {}, ""},

		{"slow", report.FindingStraggler, 5, 3, func(r *report.Report) { r.Clients[2].BytesPerSecond = 69e6 },
			"client c was slow: 69.0 MB/s, 69 % of the median client"},
		{"not slow enough", report.FindingStraggler, 5, 3,
			func(r *report.Report) { r.Clients[2].BytesPerSecond = 70e6 }, ""},
		{"too few to say", report.FindingStraggler, 5, 2, func(r *report.Report) { r.Clients[1].BytesPerSecond = 1e6 },
			""},
		{"another workload", report.FindingStraggler, 5, 3, func(r *report.Report) {
			r.Clients[2].BytesPerSecond = 1e6
			r.Clients[2].Workload.Consumers = []report.Consumer{{ChunkSizeBytes: 1}}
		}, ""},
		{"done late", report.FindingStraggler, 5, 3, func(r *report.Report) { r.Clients[1].StoppedAt += 7e9 },
			"client b was done 7s after the first one"},
		{"done late by its own clock", report.FindingStraggler, 5, 3, func(r *report.Report) {
			r.Clients[1].StoppedAt += 7e9
			r.Clients[1].ClockOffsetNano = 7e9
		}, ""},
		{"done a little late", report.FindingStraggler, 5, 3, func(r *report.Report) { r.Clients[1].StoppedAt += 6e9 },
			""},
		{"lost early", report.FindingStraggler, 5, 4, func(r *report.Report) {
			r.Clients[1].StoppedAt -= 30e9
			r.Clients[1].Outcome = report.OutcomeLost
		}, ""},

		{"ahead", report.FindingClock, 5, 1, func(r *report.Report) { r.Clients[0].ClockOffsetNano = 100e6 + 1 },
			"the clock of client a is 100ms ahead of the supervisor's"},
		{"behind", report.FindingClock, 5, 1, func(r *report.Report) { r.Clients[0].ClockOffsetNano = -2e9 },
			"the clock of client a is 2s behind the supervisor's"},
		{"near enough", report.FindingClock, 5, 1, func(r *report.Report) { r.Clients[0].ClockOffsetNano = -100e6 },
			""},

		{"twice", report.FindingRollover, 20, 1, rollovers(4, 2e6, 1e6), "p99 is 2.0 times as high"},
		{"less than twice", report.FindingRollover, 20, 1, rollovers(4, 1.94e6, 1e6),
			"hardly slower where files roll over: p99 is 1.9 times as high"},
		{"too few with", report.FindingRollover, 20, 1, rollovers(5, 2e6, 1e6),
			"cannot be told: there are too few intervals to compare"},
		{"nothing without", report.FindingRollover, 20, 1, rollovers(1, 2e6, 1e6),
			"20 intervals of 1s with rollovers, 0 without of the same clients"},
		{"no rollovers", report.FindingRollover, 20, 1, func(r *report.Report) {
			for i := range r.Series.Clients[0].P99Nano {
				r.Series.Clients[0].P99Nano[i] = 1e6
			}
		}, ""},
		{"slow clients roll over more often", report.FindingRollover, 20, 2, func(r *report.Report) {
			for n, every := range []int{2, 20} {
				c := &r.Series.Clients[n]
				for i := range c.P99Nano {
					c.P99Nano[i] = []int64{9e6, 1e6}[n]
					c.Rollovers[i] = uint64(1 - min(i%every, 1))
				}
			}
		}, "not slower where files roll over: p99 is 1.0 times as high"},

		{"steady", report.FindingSteady, 30, 0, rates(100, 104),
			"the rate was steady from +0s on, for 30s: 102.0 MB/s"},
		{"after a while", report.FindingSteady, 30, 0, func(r *report.Report) {
			for i := range 8 {
				r.Series.Total.Bytes[i] = uint64(i) * 10e6
			}
		}, "the rate was steady from +7s on, for 23s: 98.7 MB/s"},
		{"after a client had gone", report.FindingSteady, 30, 3, func(r *report.Report) {
			r.Clients[0].Bytes, r.Clients[1].Bytes = 1, 1 // the third never wrote
			for i := range 30 {
				r.Series.Total.Active = append(r.Series.Total.Active, 1)
				if i < 9 {
					r.Series.Total.Bytes[i] = 200e6
					r.Series.Total.Active[i] = 2
				}
			}
		}, "the rate was steady from +9s on, for 21s: 100.0 MB/s, with 1 of 2 clients writing"},
		{"never", report.FindingSteady, 30, 0, rates(100, 30, 50), "the rate was never steady"},
		{"with pauses", report.FindingSteady, 30, 0, rates(100, 100, 100, 100, 100, 100, 100, 100, 100, 0),
			"without a pause"},
		{"too short", report.FindingSteady, 9, 0, rates(100), "something was written in 9 intervals of 1s"},
		{"nothing written", report.FindingSteady, 30, 0, rates(0), ""},
		{"cut short at the end", report.FindingSteady, 11, 0, func(r *report.Report) {
			r.Series.Total.Bytes[10] = 5e6
			r.Run.LengthNano = 10.05e9
		}, "over 10 intervals of 1s"},
	}
	for _, test := range tests {
		t.Run(test.kind+" "+test.name, func(t *testing.T) {
			list := findingsOf(test.kind, test.seconds, test.clients, test.change)
			switch {
			case test.want == "" && len(list) > 0:
				t.Errorf("found %+v", list)
			case test.want == "":
			case len(list) != 1:
				t.Errorf("found %d: %+v", len(list), list)
			default:
				f := list[0]
				if !strings.Contains(f.Text, test.want) && !strings.Contains(f.Evidence, test.want) {
					t.Errorf("found %q, evidence %q; want %q", f.Text, f.Evidence, test.want)
				}
				if note := f.Kind == report.FindingSteady || strings.Contains(f.Text, "hardly") ||
					strings.Contains(f.Text, "not slower") ||
					strings.Contains(f.Text, "cannot be told"); (f.Severity == report.SeverityNote) != note {
					t.Errorf("%q is of severity %s", f.Text, f.Severity)
				}
				if f.Text == "" || f.Evidence == "" || f.Threshold == "" ||
					strings.Contains(f.Text+f.Evidence+f.Threshold, "\n") {
					t.Errorf("a finding without text, evidence or threshold, or not on one line: %+v", f)
				}
			}
		})
	}
}

// The worst of a kind come first, and the worst of every kind before the rest of any.
func TestTheWorstOfEachKindComesFirst(t *testing.T) {
	r := &report.Report{Series: &report.Series{IntervalNano: 1e9, ClientIntervalNano: 1e9}}
	for n := range 9 {
		c := report.Client{Session: uint32(n + 1), Label: string(rune('a' + n)), Outcome: report.OutcomeClosed,
			ClockOffsetNano: int64(n-4) * 1e9}
		c.BytesPerSecond = 100e6
		if n < 4 {
			c.BytesPerSecond = uint64(40-n) * 1e6
		}
		c.Heartbeats.Stalled = 1
		c.Processes = []report.Process{
			{Kind: report.KindConsumer, Heartbeats: &report.Heartbeats{MaxStalledNano: int64(n+1) * 1e9}}}
		r.Clients, r.Series.Clients = append(r.Clients, c), append(r.Series.Clients, report.ClientSeries{})
	}
	var got []string
	for _, f := range judge.Findings(r) {
		got = append(got, f.Kind+" "+f.Client)
	}
	want := []string{"stalled_storage i", "stalled_storage h", "straggler d", "straggler c", "clock_offset a",
		"clock_offset i",
		"stalled_storage g", "stalled_storage f", "stalled_storage e", "stalled_storage d", "stalled_storage c",
		"stalled_storage b", "stalled_storage a",
		"straggler b", "straggler a", "clock_offset b", "clock_offset h", "clock_offset c", "clock_offset g",
		"clock_offset d", "clock_offset f"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if list := judge.Findings(&report.Report{Series: &report.Series{}}); list == nil || len(list) != 0 {
		t.Errorf("of nothing: %#v", list)
	}
}

// A session's stalls and absences and the ends of handlers are events on the supervisor's
// clock, in order.
func TestEventsAreOnTheSupervisorsClock(t *testing.T) {
	const none = time.Duration(-1)
	want := map[string][2]time.Duration{
		report.EventHandlerDeath: {4500 * time.Millisecond, none},
		report.EventResume:       {4900 * time.Millisecond, none},
		// From the first answer, at +10.09 s, that said 1 s, to the last, at +14.09 s; both
		// moved back by the 1.1 s that they took, as they were written down at once.
		report.EventStall: {7990 * time.Millisecond, 14090 * time.Millisecond},
		report.EventLost:  {36300 * time.Millisecond, none},
		report.EventDrain: {38400 * time.Millisecond, none},
	}
	var last report.Stamp
	got := make(map[string][2]time.Duration)
	for _, e := range folded.All(t, story.Disturbed(t)).Series.Events {
		if e.At < last || e.EndAt != 0 && e.EndAt < e.At {
			t.Errorf("out of order: %+v", e)
		}
		last = e.At
		span := [2]time.Duration{e.At.UTC().Sub(story.RunStart), none}
		if e.EndAt != 0 {
			span[1] = e.EndAt.UTC().Sub(story.RunStart)
		}
		if _, wanted := want[e.Kind]; wanted {
			got[e.Kind] = span
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Of more events than a series lists, those that matter most are kept.
func TestEventsBeyondTheLimit(t *testing.T) {
	s := story.New(t, 1)
	for i := range uint64(report.MaxEvents + 3) {
		s.At(time.Duration(i)*time.Second).Rejected(i+1, 1, "", "", "why")
	}
	s.At(20000*time.Second).HandlerExited(1, 0, 7, time.Second, story.KilledExit(), "")
	got := folded.All(t, s.Records).Series
	if n := len(got.Events); n != report.MaxEvents || got.EventsLeftOut != 4 ||
		got.Events[n-1].Kind != report.EventHandlerDeath {
		t.Errorf("%d events, %d left out, the last %+v", n, got.EventsLeftOut, got.Events[n-1])
	}
}

// What a run does not tell stands below its numbers, and never beside a load that ended
// because it was steady.
func TestWhatIsNotToldStandsBelowTheNumbers(t *testing.T) {
	r := folded.All(t, story.OneClient(t))
	r.Clients[0].StopReason = "steady"
	for _, f := range judge.SteadyState(r) {
		if f.Untold || strings.Contains(f.Text, "to tell whether") {
			t.Errorf("beside a load that ended as steady stands %q", f.Text)
		}
	}
	r.Clients[0].StopReason = "runtime"
	r.Findings = judge.Findings(r)
	if !r.Findings[len(r.Findings)-1].Untold {
		t.Fatalf("the last of the findings is %+v; want one that is not told", r.Findings[len(r.Findings)-1])
	}
	text := string(written(t, func(w io.Writer) error { return render.Text(r, w) }))
	numbers, untold := strings.Index(text, "\nRUN "), strings.Index(text, "NOT TOLD BY THIS RUN")
	if numbers < 0 || untold < numbers || strings.Contains(text[:numbers], "to tell whether") ||
		strings.Contains(text[:numbers], "cannot be told") {
		t.Errorf("what is not told is not below the numbers:\n%s", text)
	}
	var md strings.Builder
	if err := render.Markdown(r, &md, nil); err != nil {
		t.Fatal(err)
	}
	if strings.Index(md.String(), "## Not told by this run") < strings.Index(md.String(), "## Run") {
		t.Errorf("nor in Markdown:\n%s", md.String())
	}
}
