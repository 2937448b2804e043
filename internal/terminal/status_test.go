package terminal

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

const now = 1_000_000_000_000

func session(name, state string) *bulkheadv1.SessionStatus {
	return &bulkheadv1.SessionStatus{
		Name: name, State: state,
		SessionState: bulkheadv1.SessionState(bulkheadv1.SessionState_value["SESSION_STATE_"+strings.ToUpper(state)]),
		HandlerPid:   4711, Bytes: 1_340_000_000, BytesPerSecond: 101.25e6, Rollovers: 12,
		ChunkWrites: &bulkheadv1.ChunkWrites{RecentP99Nano: int64(1234 * time.Microsecond)},
		Beats:       &bulkheadv1.Beats{LastAnswered: 4},
	}
}

func run(sessions ...*bulkheadv1.SessionStatus) *bulkheadv1.StatusResponse {
	total := new(bulkheadv1.SessionTotals)
	for _, c := range sessions {
		total.Bytes += c.GetBytes()
		total.Errors += c.GetErrors()
		if c.GetSessionState() == bulkheadv1.SessionState_SESSION_STATE_ACTIVE {
			total.BytesPerSecond += c.GetBytesPerSecond()
		}
	}
	return &bulkheadv1.StatusResponse{
		RunId: "R1", State: "running", Totals: total, StartedUnixNano: now - int64(72*time.Second), NowUnixNano: now,
		ExpectedClients: 4,
		JoinedClients:   uint32(len(sessions)), Sessions: sessions,
		ChunkWrites: &bulkheadv1.ChunkWrites{RecentP99Nano: int64(2 * time.Millisecond)},
	}
}

func TestStatus(t *testing.T) {
	away := session("bravo", "away")
	away.HandlerPid, away.Cause, away.LastMessageUnixNano = 0, "handler killed by SIGKILL", now-int64(3*time.Second)
	stuck := session("charlie", "active")
	stuck.Beats = &bulkheadv1.Beats{LastAnswered: 4, LastStalled: 2}
	stuck.Errors = 3
	got := Painter{}.Status(run(session("alpha", "active"), away, stuck), 200, 20)
	want := []string{
		"run R1  running  01:12  clients 3 of 4  202.5 MB/s  p99 2.00ms  4.02 GB  errors 3",
		"client   state        MB/s     p99  heartbeats      handler  written  files  errors  cause",
		"alpha    active      101.2  1.23ms  4 ok               4711  1.34 GB     12       0",
		"bravo    away 00:03      –       –  –                     –  1.34 GB     12       0  handler killed " +
			"by SIGKILL",
		"charlie  active      101.2  1.23ms  2 of 4 stalled     4711  1.34 GB     12       3",
	}
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("got\n%s\nwant\n%s", g, w)
	}
}

// Whatever the size and the names, no line is too wide and there are not too many; who
// wants attention is drawn before the others.
func TestStatusFits(t *testing.T) {
	var all []*bulkheadv1.SessionStatus
	for i := range 50 {
		all = append(all, session(fmt.Sprintf("client-%d-記録器-%s", i, strings.Repeat("x", i)), "active"))
	}
	all[49] = session("the one that is away", "away")
	for _, colour := range []bool{false, true} {
		for width := 1; width < 140; width += 7 {
			for height := 1; height < 60; height += 3 {
				lines := Painter{Colour: colour}.Status(run(all...), width, height)
				if len(lines) > height || len(lines) == 0 {
					t.Fatalf("%d lines for a height of %d", len(lines), height)
				}
				for _, line := range lines {
					if n := ansi.StringWidth(line); n > width {
						t.Fatalf("%d cells for a width of %d: %q", n, width, line)
					}
				}
			}
		}
	}
	lines := Painter{}.Status(run(all...), 120, 5)
	if !strings.HasPrefix(lines[2], "the one that is away") || lines[4] != "… and 48 more" {
		t.Errorf("in five lines:\n%s", strings.Join(lines, "\n"))
	}
}

// On a narrow terminal clients can still be told apart, and what went wrong is there.
func TestStatusOnANarrowTerminal(t *testing.T) {
	one, two := session("storage-perf-cluster-node-001", "active"), session("storage-perf-cluster-node-002", "away")
	two.Cause, two.Errors = "handler killed by SIGKILL", 3
	s := run(one, two)
	s.RunId, s.RejectedConnections = "20261123T162945Z-850098", 2
	for width, want := range map[int]string{
		100: `
running  01:12  clients 2 of 4  101.2 MB/s  p99 2.00ms  2.68 GB  errors 3  rejected 2
client                   state    MB/s     p99  heartbeats  written  files  errors  cause
storage-…uster-node-001  active  101.2  1.23ms  4 ok        1.34 GB     12       0
storage-…uster-node-002  away        –       –  –           1.34 GB     12       3  handler killed …`,
		80: `
running  01:12  clients 2 of 4  101.2 MB/s  p99 2.00ms  errors 3  rejected 2
client               state    MB/s     p99  heartbeats  errors  cause
storag…ter-node-001  active  101.2  1.23ms  4 ok             0
storag…ter-node-002  away        –       –  –                3  handler killed …`,
		50: `
running  101.2 MB/s  errors 3  rejected 2
client                       state    MB/s  errors
storage-p…-cluster-node-001  active  101.2       0
storage-p…-cluster-node-002  away        –       3`,
	} {
		if got := "\n" + strings.Join(Painter{}.Status(s, width, 10), "\n"); got != want {
			t.Errorf("in %d columns:%s\nwant%s", width, got, want)
		}
	}
}

// Who has stages is shown with the one that it is in, and for how long that goes on.
func TestStatusOfStages(t *testing.T) {
	timed, full, none, gone := session("alpha", "active"), session("bravo", "active"), session("charlie", "active"),
		session("delta", "closed")
	timed.Stage, timed.Stages, timed.StageName, timed.StageLeftNano = 2, 8, "peak\x1b[2J", int64(200*time.Second)
	full.Stage, full.Stages, full.StageName = 1, 8, "fill"
	gone.Stage, gone.Stages, gone.StageName = 8, 8, "curve 120%"
	none.Stages = 3
	lines := Painter{}.Status(run(timed, full, none, gone), 140, 10)
	for i, want := range []string{" stage ", ` 2/8 peak\x1b[2J, 03:20 left  4 ok`, " 1/8 fill ", " –  ", " –  "} {
		if !strings.Contains(lines[i+1], want) || i > 2 && strings.Contains(lines[i+1], "/8") {
			t.Errorf("no %q in %q", want, lines[i+1])
		}
	}
}

// A client cannot make the terminal do anything by its name or its words.
func TestStatusIsClean(t *testing.T) {
	c := session("\x1b[2Jevil\x07\u202e", "lost")
	c.Cause = "a\x1b]0;title\x07\nb\tc\x9b31m"
	got := strings.Join(Painter{}.Status(run(c), 200, 10), "")
	for _, r := range got {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == 0x202e {
			t.Fatalf("%q holds %U", got, r)
		}
	}
	if !strings.Contains(got, "evil") {
		t.Errorf("%q has lost the name", got)
	}
}

func TestColourOnlyWhenAsked(t *testing.T) {
	s := run(session("alpha", "lost"))
	if got := strings.Join(Painter{}.Status(s, 80, 10), ""); strings.Contains(got, "\x1b") {
		t.Errorf("without colour: %q", got)
	}
	if got := strings.Join(Painter{Colour: true}.Status(s, 80, 10), ""); !strings.Contains(got, "\x1b[31mlost") {
		t.Errorf("with colour: %q", got)
	}
}

func TestProgress(t *testing.T) {
	g := Progress{Elapsed: 15 * time.Second, Runtime: time.Minute, BytesPerSecond: 512e6, Bytes: 7_680_000_000,
		Files: 114}
	for _, tt := range []struct {
		width int
		g     func(*Progress)
		want  string
	}{
		{100, nil, "[██████████░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░]  25 %  512.0 MB/s  7.68 GB in 114 files  00:45 left"},
		{70, nil, "[████░░░░░░░░░░░░]  25 %  512.0 MB/s  7.68 GB in 114 files  00:45 left"},
		{60, nil, " 25 %  512.0 MB/s  7.68 GB in 114 files  00:45 left"},
		{20, nil, " 25 %  512.0 MB/s  …"},
		{100, func(g *Progress) { g.Elapsed, g.Errors = g.Runtime, 2 },
			"[████████████████████████████████████] 100 %  512.0 MB/s  7.68 GB in 114 files  00:00 left  2 errors"},
		{60, func(g *Progress) { g.TotalBytes = 10_240_000_000 },
			" 75 %  512.0 MB/s  7.68 GB in 114 files  00:05 left"},
		{60, func(g *Progress) { g.TotalBytes = 1 << 60 }, " 25 %  512.0 MB/s  7.68 GB in 114 files  00:45 left"},
		{60, func(g *Progress) { g.TotalBytes, g.BytesPerSecond = 10_240_000_000, 0 },
			" 75 %  0.0 MB/s  7.68 GB in 114 files  00:45 left"},
		{80, func(g *Progress) { g.Stage = "peak" },
			"[███░░░░░░░░░░░]  25 %  512.0 MB/s  7.68 GB in 114 files  00:45 left  stage peak"},
		{80, func(g *Progress) { g.Stage, g.Runtime = "fill", 0 },
			"512.0 MB/s  7.68 GB in 114 files  00:15  stage fill"},
		{60, func(g *Progress) { g.TotalBytes = g.Bytes }, "100 %  512.0 MB/s  7.68 GB in 114 files  00:00 left"},
		{100, func(g *Progress) { g.Elapsed, g.Ending = 2*g.Runtime, "delivering" },
			"[████████████████████████████████████████] 100 %  512.0 MB/s  7.68 GB in 114 files  delivering"},
	} {
		one := g
		if tt.g != nil {
			tt.g(&one)
		}
		got := Painter{}.Progress(one, tt.width)
		if len(got) != 1 || got[0] != tt.want {
			t.Errorf("width %d:\n%q; want\n%q", tt.width, got, tt.want)
		}
	}
}

// A run with readers has what they read, in a line and in columns; one without has neither.
func TestStatusWithReads(t *testing.T) {
	reader, plain := session("alpha", "active"), session("bravo", "active")
	reader.Reads, reader.ReadBytesPerSecond = 9, 5.5e6
	reader.ReadCalls = &bulkheadv1.ChunkWrites{RecentP99Nano: int64(4 * time.Millisecond)}
	s := run(reader, plain)
	s.Totals.Reads, s.Totals.ReadBytesPerSecond, s.ReadCalls = 9, 5.5e6, reader.ReadCalls
	want := []string{
		"run R1  running  01:12  clients 2 of 4  202.5 MB/s  p99 2.00ms  2.68 GB  reads 5.5 MB/s  read p99 4.00ms",
		"client  state    MB/s     p99  read MB/s  read p99  heartbeats  handler  written  files  errors",
		"alpha   active  101.2  1.23ms        5.5    4.00ms  4 ok           4711  1.34 GB     12       0",
		"bravo   active  101.2  1.23ms          –         –  4 ok           4711  1.34 GB     12       0",
	}
	if g, w := strings.Join(Painter{}.Status(s, 200, 20), "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("got\n%s\nwant\n%s", g, w)
	}
}
