package terminal

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"bulkhead/internal/human"
	"bulkhead/internal/plaintext"
	"bulkhead/internal/table"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// style is how a text is drawn.
type style string

// The styles; they are SGR parameters (ECMA-48).
const (
	plain style = ""
	bold  style = "1"
	dim   style = "2"
	bad   style = "31" // red
	odd   style = "33" // yellow
)

// maxName is the most cells of a client's name in the table.
const maxName = 32

// Painter draws texts in styles, or plainly.
type Painter struct {
	// Colour draws styles.
	Colour bool
}

func (p Painter) paint(s style, text string) string {
	if !p.Colour || s == plain || text == "" {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[0m"
}

// Status draws a run in at most height lines of at most width cells: a line for the
// whole and one for each client. Where there is no room for all clients, those that
// want attention come first, and the last line says how many are not drawn.
func (p Painter) Status(s *bulkheadv1.StatusResponse, width, height int) []string {
	lines := []string{p.paint(bold, runLine(s, width))}
	sessions := slices.Clone(s.GetSessions())
	if len(sessions) == 0 || height < 3 {
		return lines[:min(1, max(height, 0))]
	}
	left := 0
	if room := height - 2; len(sessions) > room {
		slices.SortStableFunc(sessions,
			func(a, b *bulkheadv1.SessionStatus) int { return cmp.Compare(urgency(a), urgency(b)) })
		left = len(sessions) - (room - 1)
		sessions = sessions[:room-1]
	}
	rows, reads, stages := make([][]cell, 0, len(sessions)), anyReads(sessions), anyStage(sessions)
	for _, c := range sessions {
		rows = append(rows, clientRow(s, c, reads, stages))
	}
	for i, line := range p.table(clientColumns(sessions), rows, width) {
		if i == 0 {
			line = p.paint(dim, line)
		}
		lines = append(lines, line)
	}
	if left > 0 {
		lines = append(lines, p.paint(dim, human.Shorten(fmt.Sprintf("… and %d more", left), width)))
	}
	return lines
}

// Silent returns, in at most width cells, that a supervisor has not answered for a while, so
// that what is shown is not taken for the present.
func (p Painter) Silent(since time.Duration, width int) string {
	text := "no answer from the supervisor for " + human.Clock(since) + "; this is how it was"
	return p.paint(bad, human.Shorten(text, width))
}

// clientColumns returns the columns of the table of clients. Where there is no room for all,
// those that can be looked up elsewhere go first, and a column without an error before them.
func clientColumns(sessions []*bulkheadv1.SessionStatus) []table.Column {
	errors := table.Column{Head: "errors", Right: true, Rank: 7}
	if slices.ContainsFunc(sessions, func(c *bulkheadv1.SessionStatus) bool { return c.GetErrors() > 0 }) {
		errors.Rank = 1
	}
	columns := []table.Column{
		{Head: "client", Least: 16}, {Head: "state"}, {Head: "MB/s", Right: true}, {Head: "p99", Right: true, Rank: 4}}
	if anyReads(sessions) {
		columns = append(columns, table.Column{Head: "read MB/s", Right: true, Rank: 3},
			table.Column{Head: "read p99", Right: true, Rank: 5})
	}
	if anyStage(sessions) {
		columns = append(columns, table.Column{Head: "stage", Least: 16, Rank: 3})
	}
	return append(columns, []table.Column{
		{Head: "heartbeats", Rank: 3},
		{Head: "handler", Right: true, Rank: 8}, {Head: "written", Right: true, Rank: 5},
		{Head: "files", Right: true, Rank: 6},
		errors, {Head: "cause", Least: 16, Rank: 2},
	}...)
}

// anyReads reports whether a client read something beside the writing.
func anyReads(sessions []*bulkheadv1.SessionStatus) bool {
	return slices.ContainsFunc(sessions, func(c *bulkheadv1.SessionStatus) bool { return c.GetReads() > 0 })
}

// anyStage reports whether the load of a client has stages.
func anyStage(sessions []*bulkheadv1.SessionStatus) bool {
	return slices.ContainsFunc(sessions, func(c *bulkheadv1.SessionStatus) bool { return c.GetStages() > 0 })
}

// stageText returns in which stage of its load an active client is, and for how long that goes on.
func stageText(c *bulkheadv1.SessionStatus) string {
	if c.GetStage() == 0 || c.GetSessionState() != bulkheadv1.SessionState_SESSION_STATE_ACTIVE {
		return human.None
	}
	text := fmt.Sprintf("%d/%d %s", c.GetStage(), c.GetStages(), human.Abridge(clean(c.GetStageName()), maxName))
	if left := time.Duration(c.GetStageLeftNano()); left > 0 {
		text += ", " + human.Clock(left) + " left"
	}
	return text
}

// part is something that the line of the run says.
type part struct {
	text string
	rank int // the part of the highest rank goes first where there is no room
}

// runLine returns, in at most width cells, how the whole run goes.
func runLine(s *bulkheadv1.StatusResponse, width int) string {
	total := s.GetTotals()
	parts := []part{{strings.TrimSpace("run " + s.GetRunId()), 6}, {s.GetState(), 0}}
	if s.GetStartedUnixNano() != 0 {
		// an older supervisor has only wall clocks
		lasted := cmp.Or(s.GetLastedNano(), s.GetNowUnixNano()-s.GetStartedUnixNano())
		parts = append(parts, part{human.Clock(time.Duration(lasted)), 4})
	}
	parts = append(parts,
		part{fmt.Sprintf("clients %d of %d", s.GetJoinedClients(), s.GetExpectedClients()), 2})
	if g := s.GetGather(); g != nil {
		parts = append(parts, part{gatherText(g, shownAbsent), 2})
	} else if absent := s.GetAbsentNames(); len(absent) > 0 {
		parts = append(parts, part{"waiting for " + absentText(absent, s.GetAbsentLeftOut()), 2})
	}
	for _, w := range s.GetStageWaits() {
		parts = append(parts, part{stageWaitText(w, shownAbsent), 2})
	}
	for _, a := range s.GetAssertions() {
		if a.GetState() == bulkheadv1.AssertionState_ASSERTION_STATE_BREACHED {
			parts = append(parts, part{assertionText(a), 0})
		}
	}
	if n := len(s.GetSupervisors()); n > 0 {
		parts = append(parts, part{fmt.Sprintf("%d supervisors, together %s MB/s", n,
			human.LiveMegabytes(s.GetRunTotals().GetBytesPerSecond())), 1})
	}
	parts = append(parts,
		part{human.LiveMegabytes(total.GetBytesPerSecond()) + " MB/s", 1},
		part{"p99 " + human.LiveLatency(s.GetChunkWrites().GetRecentP99Nano()), 3},
		part{human.LiveSize(total.GetBytes()), 5})
	if total.GetReads() > 0 {
		parts = append(parts, part{"reads " + human.LiveMegabytes(total.GetReadBytesPerSecond()) + " MB/s", 2},
			part{"read p99 " + human.LiveLatency(s.GetReadCalls().GetRecentP99Nano()), 4})
	}
	for _, n := range []struct {
		count uint64
		name  string
	}{{total.GetErrors(), "errors"}, {s.GetRejectedConnections(), "rejected"}, {s.GetShedConnections(), "shed"},
		{uint64(s.GetRestarts()), "restarts"}} {
		if n.count > 0 {
			parts = append(parts, part{fmt.Sprintf("%s %d", n.name, n.count), 0})
		}
	}
	return fit(parts, width)
}

// fit puts parts into a line of at most width cells, those of the highest rank left out
// if they must be.
func fit(parts []part, width int) string {
	for {
		texts := make([]string, len(parts))
		for i := range parts {
			texts[i] = parts[i].text
		}
		line := strings.Join(texts, gap)
		least := slices.MaxFunc(parts, func(a, b part) int { return a.rank - b.rank })
		if human.Columns(line) <= width || least.rank == 0 {
			return human.Shorten(line, width)
		}
		parts = slices.DeleteFunc(parts, func(p part) bool { return p == least })
	}
}

// mayComeBack reports whether a client has no connection and a session that waits for it.
func mayComeBack(c *bulkheadv1.SessionStatus) bool {
	state := c.GetSessionState()
	return state == bulkheadv1.SessionState_SESSION_STATE_AWAY ||
		state == bulkheadv1.SessionState_SESSION_STATE_RESUMING
}

// urgency returns how far up a client belongs when not all can be drawn: 0 is first.
func urgency(c *bulkheadv1.SessionStatus) int {
	b := c.GetBeats()
	switch state := c.GetSessionState(); {
	case mayComeBack(c), c.GetSilentNano() > 0:
		return 0
	case state == bulkheadv1.SessionState_SESSION_STATE_ACTIVE &&
		b.GetLastMissed()+b.GetLastStalled()+b.GetLastLate() > 0:
		return 1
	case state == bulkheadv1.SessionState_SESSION_STATE_ACTIVE:
		return 2
	case state != bulkheadv1.SessionState_SESSION_STATE_CLOSED:
		return 3
	default:
		return 4
	}
}

// clientRow returns the row of a client, with what it reads and its stage if that is asked for.
func clientRow(s *bulkheadv1.StatusResponse, c *bulkheadv1.SessionStatus, reads, stages bool) []cell {
	active := c.GetSessionState() == bulkheadv1.SessionState_SESSION_STATE_ACTIVE
	rate, p99, beats, pid := human.None, human.None, cell{text: human.None}, human.None
	if active {
		rate, beats = human.LiveMegabytes(c.GetBytesPerSecond()), beatsCell(c.GetBeats())
		p99 = human.LiveLatency(c.GetChunkWrites().GetRecentP99Nano())
	}
	if c.GetHandlerPid() != 0 {
		pid = strconv.Itoa(int(c.GetHandlerPid()))
	}
	errors := cell{text: strconv.FormatUint(c.GetErrors(), 10)}
	if c.GetErrors() > 0 {
		errors.style = odd
	}
	row := []cell{{text: human.Abridge(clean(c.GetName()), maxName)}, stateCell(c, s.GetNowUnixNano()), {text: rate},
		{text: p99}}
	if reads {
		row = append(row, readCells(c, active)...)
	}
	if stages {
		row = append(row, cell{text: stageText(c)})
	}
	return append(row, []cell{
		beats, {text: pid}, {text: human.LiveSize(c.GetBytes())}, {text: strconv.FormatUint(c.GetRollovers(), 10)},
		errors, {text: clean(causeAndNote(c))},
	}...)
}

// readCells returns what a client reads beside the writing.
func readCells(c *bulkheadv1.SessionStatus, active bool) []cell {
	if !active || c.GetReads() == 0 {
		return []cell{{text: human.None}, {text: human.None}}
	}
	return []cell{{text: human.LiveMegabytes(c.GetReadBytesPerSecond())},
		{text: human.LiveLatency(c.GetReadCalls().GetRecentP99Nano())}}
}

// stateCell returns a client's state, and how long one that is away, or says nothing, has been
// silent.
func stateCell(c *bulkheadv1.SessionStatus, now int64) cell {
	switch c.GetSessionState() {
	case bulkheadv1.SessionState_SESSION_STATE_ACTIVE, bulkheadv1.SessionState_SESSION_STATE_CLOSED,
		bulkheadv1.SessionState_SESSION_STATE_UNSPECIFIED:
		if silent := time.Duration(c.GetSilentNano()); silent > 0 {
			return cell{text: "silent " + human.Clock(silent), style: odd}
		}
		return cell{text: c.GetState()}
	case bulkheadv1.SessionState_SESSION_STATE_RESUMING:
		return cell{text: c.GetState(), style: odd}
	case bulkheadv1.SessionState_SESSION_STATE_AWAY:
		text := c.GetState()
		if last := c.GetLastMessageUnixNano(); last != 0 {
			text += " " + human.Clock(time.Duration(cmp.Or(c.GetAwayNano(), c.GetLastMessageAgoNano(), now-last)))
		}
		return cell{text: text, style: odd}
	default:
		return cell{text: c.GetState(), style: bad}
	}
}

// beatsCell returns the newest round of heartbeats: how many workers, or what is wrong.
func beatsCell(b *bulkheadv1.Beats) cell {
	asked := b.GetLastAnswered() + b.GetLastLate() + b.GetLastMissed()
	switch {
	case asked == 0:
		return cell{text: human.None}
	case b.GetLastMissed() > 0:
		return cell{text: fmt.Sprintf("%d of %d missed", b.GetLastMissed(), asked), style: bad}
	case b.GetLastStalled() > 0:
		return cell{text: fmt.Sprintf("%d of %d stalled", b.GetLastStalled(), asked), style: bad}
	case b.GetLastLate() > 0:
		return cell{text: fmt.Sprintf("%d of %d late", b.GetLastLate(), asked), style: odd}
	default:
		return cell{text: fmt.Sprintf("%d ok", asked)}
	}
}

// shownAbsent is how many absent names a line has.
const shownAbsent = 5

// absentText names clients that have not come; leftOut more are not in the list.
func absentText(absent []string, leftOut uint32) string {
	more := ""
	if n := len(absent) - shownAbsent; n > 0 {
		absent, leftOut = absent[:shownAbsent], leftOut+uint32(n)
	}
	if leftOut > 0 {
		more = fmt.Sprintf(" and %d more", leftOut)
	}
	return clean(strings.Join(absent, ", ")) + more
}

// causeAndNote returns why a session is in its state, for how long its client has said nothing, and why it
// does not count.
func causeAndNote(c *bulkheadv1.SessionStatus) string {
	var texts []string
	if c.GetCause() != "" {
		texts = append(texts, c.GetCause())
	}
	if silent := time.Duration(c.GetSilentNano()); silent > 0 {
		texts = append(texts, fmt.Sprintf("has said nothing for %s, though its connection lives",
			silent.Round(100*time.Millisecond)))
	}
	if c.GetNote() != "" {
		texts = append(texts, c.GetNote())
	}
	return strings.Join(texts, "; ")
}

// clean makes a text safe to draw, whatever answers as a supervisor. A supervisor cleans what it
// says in the same way, so that nothing of it changes here; lines are cut to the terminal elsewhere.
func clean(s string) string { return plaintext.Line(s, math.MaxInt) }
