package invented

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"

	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/judge"
	"bulkhead/supervisor/report/words"
)

// Invented makes up reports for the page: any number of clients over any number of
// intervals, with faults, and always the same for the same numbers.
type Invented struct {
	Clients, Consumers, Intervals int
	// name names client i; nil for host-01 and so on.
	name func(i int) string
	// FilesEach is how many rollovers each consumer lists.
	FilesEach int
}

var sampleStart = report.Stamp(time.Date(2026, 3, 2, 14, 2, 10, 120_000_000, time.UTC).UnixNano())

const sampleSecond = int64(time.Second)

func moment(seconds float64) report.Stamp { return sampleStart + report.Stamp(seconds*1e9) }

// Report builds the report of the sample.
func (s Invented) Report() *report.Report {
	random := rand.New(rand.NewPCG(7, uint64(s.Clients)))
	length := float64(s.Intervals)
	r := &report.Report{
		Schema: report.Schema,
		Run: report.Run{
			ID: "20260302T140210Z-7f3a91", Version: "0.1.0", GoVersion: "go1.26.8", Pid: 4700, Listen: "10.20.0.4:7420",
			Host: report.Host{Name: "collector1", OS: "linux", Arch: "amd64", Kernel: "6.8.0-45-generic", CPUs: 16,
				MemoryBytes: 67_400_000_000},
			StartedAt: sampleStart, EndedAt: moment(length), LengthNano: int64(length * 1e9), End: "done",
			ExpectedClients: uint32(s.Clients), JoinedClients: uint32(s.Clients), Restarts: []report.Restart{},
			Shed: []report.Shed{},
		},
		Handlers: []report.Handler{}, Rejections: []report.Rejection{}, Findings: []report.Finding{},
		Journal: report.Journal{Records: 88_123, Violations: []string{}},
		Series: &report.Series{
			StartAt: sampleStart, IntervalNano: sampleSecond, Intervals: s.Intervals,
			ClientIntervalNano: sampleSecond, ClientIntervals: s.Intervals, Events: []report.Event{},
			ReducedText: "intervals of 1s; per client the same.",
		},
	}
	for s.Clients*s.Consumers*r.Series.ClientIntervals > 400_000 {
		r.Series.ClientIntervalNano *= 2
		r.Series.ClientIntervals = (r.Series.ClientIntervals + 1) / 2
	}
	for i := range s.Clients {
		r.Clients = append(r.Clients, s.client(r, i, random))
	}
	s.total(r, random)
	s.faults(r)
	return r
}

// rate returns what client i writes in a second, in bytes: a warm-up, a level of its own, a
// slow wave, and a dip in the middle.
func (s Invented) rate(i int, second float64, random *rand.Rand) float64 {
	level := 180e6 + 22e6*float64(i%5)
	if i%7 == 3 {
		level *= 0.55
	}
	ramp := min(1, second/4)
	wave := 1 + 0.05*math.Sin(second/9+float64(i))
	dip := 1.0
	if middle := float64(s.Intervals) * 0.55; second > middle && second < middle+float64(s.Intervals)*0.06 {
		dip = 0.18
	}
	return level * ramp * wave * dip * (0.96 + 0.08*random.Float64())
}

func (s Invented) client(r *report.Report, i int, random *rand.Rand) report.Client {
	name := fmt.Sprintf("host-%02d", i+1)
	if s.name != nil {
		name = s.name(i)
	}
	series, step := r.Series, float64(r.Series.ClientIntervalNano)/1e9
	done := float64(s.Intervals) - 1.5 - float64(i%5)*0.7
	c := report.Client{
		Session: uint32(i + 1), SessionID: fmt.Sprintf("s%d", i+1), Label: name, Name: name, Host: name + ".lab",
		Pid: int32(5000 + i*10), Version: "0.1.0",
		Labels: map[string]string{"rack": fmt.Sprint("r", i%4+1)}, Outcome: report.OutcomeClosed, Cause: "said goodbye",
		OpenedAt: moment(0.1), EndedAt: moment(done + 0.2),
		ClockOffsetNano: int64(i%3) * 1_300_000, StartedAt: moment(0.15), StoppedAt: moment(done),
		StopReason: "runtime", MalformedWhy: []report.Count{},
		RuntimeNano: int64(done * 1e9), Workload: report.Workload{RuntimeNano: int64(s.Intervals) * sampleSecond},
		Connections: []report.Connection{
			{ID: uint64(i + 1), HandlerPid: int32(7000 + i), Peer: fmt.Sprintf("10.20.1.%d:50211", i%250),
				AttachedAt: moment(0.1)}},
	}
	own := report.ClientSeries{Session: c.Session}
	for n := range series.ClientIntervals {
		bytes := 0.0
		if t := float64(n) * step; t < done {
			bytes = s.rate(i, t, random) * step
		}
		own.Bytes = append(own.Bytes, uint64(bytes))
		own.Errors = append(own.Errors, 0)
		own.Rollovers = append(own.Rollovers, (c.Bytes+uint64(bytes))>>30-c.Bytes>>30)
		p99, most := int64(-1), int64(-1)
		if bytes > 0 {
			p99 = int64(9e6 + 8e6*random.Float64() + 8e14/(bytes/step+1e6))
			most = p99 * int64(2+random.IntN(3))
		}
		own.P99Nano, own.MaxNano = append(own.P99Nano, p99), append(own.MaxNano, most)
		c.Bytes += uint64(bytes)
	}
	c.Chunks, c.Files = c.Bytes/1_048_576, c.Bytes/1_073_741_824
	c.WritingNano = int64(done * 1e9)
	c.BytesPerSecond = report.PerSecond(c.Bytes, c.WritingNano)
	c.ChunkWrite = report.Latency{Count: c.Chunks, MinNano: 210_000, MeanNano: 1_900_000,
		P50Nano: 1_200_000 + int64(i%5)*90_000, P90Nano: 6_000_000,
		P99Nano: 14_100_000 + int64(i%7)*2_100_000, P999Nano: 41_000_000, MaxNano: 96_000_000 + int64(i)*120_000}
	c.Heartbeats = report.HeartbeatTotals{Rounds: uint64(s.Intervals / 2),
		Answered: uint64(s.Intervals / 2 * (s.Consumers + 1))}
	for k := range s.Consumers {
		c.Workload.Consumers = append(c.Workload.Consumers,
			report.Consumer{Index: uint32(k), Path: "/mnt/under-test", ChunkSizeBytes: 1 << 20, FileSizeBytes: 1 << 30})
		c.Processes = append(c.Processes, s.process(&c, report.KindConsumer, k, random))
		own.Processes = append(own.Processes, s.processSeries(uint32(k), series.ClientIntervals, random))
	}
	c.Processes = append(c.Processes, s.process(&c, report.KindMonitor, 0, random))
	own.Processes = append(own.Processes,
		report.ProcessSeries{Kind: report.KindMonitor,
			Name: "monitor", Beats: strings.Repeat("a", series.ClientIntervals)})
	for range series.ClientIntervals {
		last := &own.Processes[s.Consumers]
		last.CPU, last.ResidentBytes = append(last.CPU, -1), append(last.ResidentBytes, 0)
	}
	c.Messages = c.Chunks / 100
	series.Clients = append(series.Clients, own)
	r.Handlers = append(r.Handlers,
		report.Handler{Pid: int32(7000 + i), ConnectionID: uint64(i + 1), Session: c.Session, Client: c.Label,
			DurableMessages: c.Messages, ReceivedBytes: c.Messages * 900,
			Exit: &report.Exit{Class: report.ExitClean, StartedAt: moment(0.02), EndedAt: moment(done + 0.3),
				MaxResidentBytes: 9_400_000}})
	return c
}

func (s Invented) process(c *report.Client, kind string, index int, random *rand.Rand) report.Process {
	p := report.Process{Kind: kind, Index: uint32(index), Pid: c.Pid + int32(index) + 1, StartedAt: c.StartedAt,
		EndedAt: c.StoppedAt, RuntimeNano: c.RuntimeNano,
		Exit: &report.Exit{Class: report.ExitClean},
		Heartbeats: &report.Heartbeats{
			HeartbeatTotals: report.HeartbeatTotals{Rounds: c.Heartbeats.Rounds, Answered: c.Heartbeats.Rounds},
			MeanNano:        350_000, MaxNano: 2_100_000, MissedWhy: []report.Count{}}}
	if kind != report.KindConsumer {
		p.Kind, p.Pid = report.KindMonitor, c.Pid+9
		return p
	}
	w := c.Writes
	w.Bytes, w.BytesPerSecond, w.Files = w.Bytes/uint64(s.Consumers), w.BytesPerSecond/uint64(
		s.Consumers), w.Files/uint64(s.Consumers)
	p.Writes = &w
	p.Usage = &report.Usage{Samples: 40, MeanCPUPercent: 31.5}
	p.Rollovers = &report.Rollovers{Files: uint64(s.FilesEach), List: []report.Rollover{},
		Create: report.Latency{P50Nano: 90_000, MaxNano: 210_000}, Write: report.Latency{P50Nano: 5e9, MaxNano: 8e9},
		Sync:  report.Latency{P50Nano: 41_000_000, MaxNano: 310_000_000},
		Close: report.Latency{P50Nano: 11_000, MaxNano: 44_000}}
	for f := range s.FilesEach {
		when := float64(s.Intervals) * (float64(f) + 0.2 + 0.6*random.Float64()) / float64(s.FilesEach)
		p.Rollovers.List = append(p.Rollovers.List, report.Rollover{
			Path: fmt.Sprintf("/mnt/under-test/%s/consumer-%d/%08d.dat", c.Name, index, f), FileIndex: uint64(f),
			ClosedAt:  moment(when) + report.Stamp(c.ClockOffsetNano),
			SizeBytes: 1 << 30, ChunkSizeBytes: 1 << 20, Chunks: 1024,
			CreateNano: int64(80_000 * math.Exp(random.NormFloat64()*0.3)),
			WriteNano:  int64(5e9 * math.Exp(random.NormFloat64()*0.12)),
			SyncNano:   int64(41e6 * math.Exp(random.NormFloat64()*0.5)),
			CloseNano:  int64(11_000 * math.Exp(random.NormFloat64()*0.2)), Verification: "off",
		})
	}
	return p
}

func (s Invented) processSeries(index uint32, intervals int, random *rand.Rand) report.ProcessSeries {
	p := report.ProcessSeries{Kind: report.KindConsumer, Index: index, Name: fmt.Sprint("consumer ", index)}
	beats := []byte(strings.Repeat("a", intervals))
	for n := range intervals {
		if n%2 == 1 && intervals < 200 {
			beats[n] = report.BeatNone
		}
		if random.IntN(90) == 0 {
			beats[n] = report.BeatLate
		}
		p.CPU = append(p.CPU, float32(0.28+0.08*random.Float64()))
		p.ResidentBytes = append(p.ResidentBytes, uint64(21e6+float64(n)*4096+random.Float64()*3e5))
	}
	p.Beats = string(beats)
	return p
}

// total adds the clients up.
func (s Invented) total(r *report.Report, random *rand.Rand) {
	series, total := r.Series, &r.Series.Total
	step := int(series.ClientIntervalNano / series.IntervalNano)
	for n := range series.Intervals {
		var bytes, files uint64
		for i := range series.Clients {
			bytes += series.Clients[i].Bytes[n/step] / uint64(step)
			if n%step == 0 {
				files += series.Clients[i].Rollovers[n/step]
			}
		}
		total.Bytes, total.Chunks = append(total.Bytes, bytes), append(total.Chunks, bytes/1_048_576)
		total.Errors, total.Rollovers = append(total.Errors, 0), append(total.Rollovers, files)
		total.Active = append(total.Active, uint32(s.Clients))
		slow := 1.0
		if bytes < uint64(s.Clients)*90e6 {
			slow = 5
		}
		p50 := int64(slow * (1.1e6 + 2e5*random.Float64()))
		p99 := p50 * int64(8+random.IntN(5))
		if bytes == 0 {
			total.P50Nano, total.P99Nano, total.P999Nano, total.MaxNano = append(total.P50Nano,
				-1), append(total.P99Nano, -1), append(total.P999Nano, -1), append(total.MaxNano, -1)
			continue
		}
		total.P50Nano, total.P99Nano = append(total.P50Nano, p50), append(total.P99Nano, p99)
		total.P999Nano, total.MaxNano = append(total.P999Nano, p99*int64(2+random.IntN(2))), append(total.MaxNano,
			p99*int64(4+random.IntN(4)))
	}
	t := &r.Totals
	for i := range r.Clients {
		t.Writes.Add(&r.Clients[i].Writes)
		t.Heartbeats.Add(&r.Clients[i].Heartbeats)
		t.Messages += r.Clients[i].Messages
	}
	t.WritingNano = int64(s.Intervals-1) * sampleSecond
	t.BytesPerSecond = report.PerSecond(t.Bytes, t.WritingNano)
	t.ChunkWrite = report.Latency{Count: t.Chunks, MinNano: 210_000, MeanNano: 1_900_000, P50Nano: 1_230_000,
		P90Nano: 6_000_000, P99Nano: 15_300_000, P999Nano: 48_000_000, MaxNano: 212_000_000}
	for nano := 200_000.0; nano < 212e6; nano *= 1.09 {
		spread := math.Log(nano/1.23e6) / 0.55
		tail := math.Log(nano/14e6) / 0.7
		weight := math.Exp(-spread*spread/2) + 0.02*math.Exp(-tail*tail/2)
		if n := uint64(weight * float64(t.Chunks) / 10); n > 0 {
			series.Distribution = append(series.Distribution,
				report.Bin{FromNano: int64(nano), ToNano: int64(nano*1.09) - 1, Count: n})
		}
	}
}

// faults adds what goes wrong in every sample with at least two clients.
func (s Invented) faults(r *report.Report) {
	if s.Clients < 2 {
		r.Verdict = report.Verdict{Complete: true, Reasons: []string{}, Warnings: []string{}}
		return
	}
	length := float64(s.Intervals)
	first, second, last := &r.Clients[0], &r.Clients[1], &r.Clients[s.Clients-1]
	when := func(share float64) report.Stamp { return moment(share * length) }
	r.Series.Events = []report.Event{
		{At: when(0.12), Kind: report.EventRejected, Text: "10.20.9.9:51000: wrong token"},
		{At: when(0.23), Kind: report.EventHandlerDeath, Session: first.Session, Client: first.Label,
			Text: "handler 7000 killed by SIGKILL"},
		{At: when(0.23), EndAt: when(0.26), Kind: report.EventAway, Session: first.Session, Client: first.Label,
			Text: "handler killed by SIGKILL"},
		{At: when(0.26), Kind: report.EventResume, Session: first.Session, Client: first.Label,
			Text: "resumed after message 412"},
		{At: when(0.4), Kind: report.EventRestart,
			Text: "bulkhead 0.1.0, pid 4800; 5 of 5 handlers were adopted"},
		{At: when(0.55), EndAt: when(0.61), Kind: report.EventStall, Session: second.Session, Client: second.Label,
			Text: "consumer 1: a write was stuck for 6.1s"},
		{At: when(0.8), Kind: report.EventLost, Session: last.Session, Client: last.Label,
			Text: "no connection for 30s"},
	}
	last.Outcome, last.Cause = report.OutcomeLost, "no connection for 30s (handler closed: connection reset)"
	first.Resumes, r.Totals.Resumes = 1, 1
	first.Connections[0].DetachedAt, first.Connections[0].DetachCause = when(0.23), "handler killed by SIGKILL"
	first.Connections[0].AwayWhy, first.Connections[0].AwayNano = "handler", int64(0.03*length*1e9)
	first.Connections = append(first.Connections,
		report.Connection{ID: 900, HandlerPid: 7900, Peer: "10.20.1.0:50777", AttachedAt: when(0.26), ResumeAfter: 412,
			Resumed: true})
	r.Handlers[0].Exit = &report.Exit{Class: report.ExitCrash, Signal: 9, Cause: "killed by SIGKILL",
		StartedAt: moment(0.02), EndedAt: when(0.23)}
	r.Handlers = append(r.Handlers,
		report.Handler{Pid: 7900, ConnectionID: 900, Session: 1, Client: first.Label, DurableMessages: 800,
			Exit: &report.Exit{Class: report.ExitClean, StartedAt: when(0.2), EndedAt: when(0.98)}},
		report.Handler{Pid: 7901, ConnectionID: 901, Peer: "10.20.9.9:51000", ConnectionEnd: "wrong token",
			Exit: &report.Exit{Class: report.ExitClean, StartedAt: moment(0.1), EndedAt: when(0.125)}},
		report.Handler{Pid: 7902})
	r.Rejections = append(r.Rejections,
		report.Rejection{At: when(0.12), ConnectionID: 901, Peer: "10.20.9.9:51000", HandlerPid: 7901,
			ClientName: "host-99", Reason: "wrong token"})
	beats := []byte(r.Series.Clients[1].Processes[1].Beats)
	for n := range beats {
		if share := float64(n) / float64(len(beats)); share >= 0.55 && share < 0.61 {
			beats[n] = report.BeatStalled
			if share > 0.59 {
				beats[n] = report.BeatMissed
			}
		}
	}
	r.Series.Clients[1].Processes[1].Beats = string(beats)
	second.Heartbeats.Missed, second.Heartbeats.Stalled = 2, 4
	stuck := second.Processes[1].Heartbeats
	stuck.Stalled, stuck.Missed, stuck.MaxStalledNano = 4, 2, 6_100_000_000
	r.Totals.Heartbeats.Missed, r.Totals.Heartbeats.Stalled, r.Totals.Heartbeats.Late = 2, 4, 7
	r.Run.Restarts = []report.Restart{
		{At: when(0.4), Kind: report.RestartRestarted, Pid: 4800, Version: "0.1.0", GoVersion: "go1.26.8",
			HandlersKept: 5}}
	r.Verdict = report.Verdict{
		Reasons: []string{"client " + last.Label + ": lost: no connection for 30s (handler closed: connection reset)"},
		Warnings: []string{
			"the supervisor was killed and restarted at 14:03:02.120; 5 of 5 handlers were adopted",
			"handler 7000 (" + first.Label + ") crashed: killed by SIGKILL",
		},
	}
	r.Verdict.Headline = words.Headline(r)
	r.Findings = judge.Findings(r)
}

// Few is a sample that shows everything, many one of the largest.
var (
	Few  = Invented{Clients: 5, Consumers: 2, Intervals: 120, FilesEach: 40}
	Many = Invented{Clients: 500, Consumers: 4, Intervals: 600, FilesEach: 30}
)

// Hostile are texts that would do something if the page took them for markup or script.
var Hostile = []string{
	`<img src=x onerror="document.title='owned'">`,
	`</script><script>document.title='owned'</script>`,
	`<!--<script>`,
	`"><svg onload=document.title='owned'>`,
	"line\u2028separators\u2029\x00\xff",
	`javascript:document.title='owned'`,
	`{{.Report}}${document.title='owned'}`,
}

// HostileReport returns a report with such texts wherever a client or a stranger can put one.
func HostileReport() *report.Report {
	sample := Few
	sample.Clients, sample.name = len(Hostile), func(i int) string { return Hostile[i] }
	r := sample.Report()
	for i := range r.Clients {
		text := Hostile[i]
		c := &r.Clients[i]
		c.Host, c.Version, c.Cause, c.StopDetail, c.LastError, c.Outcome = text, text, text, text, text, text
		c.Labels = map[string]string{text: text}
		for j := range c.Processes {
			p := &c.Processes[j]
			p.Exit.Cause, p.Exit.Class = text, text
			p.Heartbeats.MissedWhy = []report.Count{{Text: text, Count: 3}}
			if p.Rollovers != nil {
				p.Rollovers.List[0].Path = text
			}
			r.Series.Clients[i].Processes[j].Name = "consumer " + text
		}
		c.Connections[0].Peer, c.Connections[0].DetachCause = text, text
		r.Handlers[i].Exit.Cause, r.Handlers[i].ConnectionEnd, r.Handlers[i].Exit.Class = text, text, text
		r.Rejections = append(r.Rejections, report.Rejection{At: moment(3), ClientName: text, Reason: text, Peer: text})
		r.Series.Events = append(r.Series.Events,
			report.Event{At: moment(5), Kind: text, Session: c.Session, Client: text, Text: text})
		r.Findings = append(r.Findings,
			report.Finding{Kind: text, Session: c.Session, Client: text, Text: text, Evidence: text, Threshold: text})
		r.Verdict.Reasons, r.Verdict.Warnings = append(r.Verdict.Reasons, text), append(r.Verdict.Warnings, text)
		r.Journal.Violations = append(r.Journal.Violations, text)
		r.Run.Shed = append(r.Run.Shed, report.Shed{Reason: text, Count: 1})
	}
	r.Run.ID, r.Run.EndDetail, r.Run.Host.Name, r.Series.ReducedText = Hostile[1], Hostile[0], Hostile[0], Hostile[0]
	return r
}
