package terminal

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

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
	lines := []string{p.paint(bold, cut(runLine(s), width))}
	sessions := slices.Clone(s.GetSessions())
	if len(sessions) == 0 || height < 3 {
		return lines[:min(1, max(height, 0))]
	}
	left := 0
	if room := height - 2; len(sessions) > room {
		slices.SortStableFunc(sessions, func(a, b *bulkheadv1.SessionStatus) int { return cmp.Compare(urgency(a), urgency(b)) })
		left = len(sessions) - (room - 1)
		sessions = sessions[:room-1]
	}
	rows := [][]cell{{{text: "client"}, {text: "state"}, {text: "MB/s", right: true}, {text: "p99", right: true}, {text: "heartbeats"},
		{text: "handler", right: true}, {text: "written", right: true}, {text: "files", right: true}, {text: "errors", right: true}, {text: "cause"}}}
	for _, c := range sessions {
		rows = append(rows, clientRow(s, c))
	}
	for i, line := range p.table(rows, width) {
		if i == 0 {
			line = p.paint(dim, line)
		}
		lines = append(lines, line)
	}
	if left > 0 {
		lines = append(lines, p.paint(dim, cut(fmt.Sprintf("… and %d more", left), width)))
	}
	return lines
}

// runLine says how the whole run goes.
func runLine(s *bulkheadv1.StatusResponse) string {
	var rate float64
	var bytes, errors uint64
	for _, c := range s.GetSessions() {
		if c.GetState() == "active" {
			rate += c.GetBytesPerSecond()
		}
		bytes += c.GetBytes()
		errors += c.GetErrors()
	}
	parts := []string{
		strings.TrimSpace("run " + s.GetRunId()), s.GetState(),
		fmt.Sprintf("clients %d of %d", s.GetJoinedClients(), s.GetExpectedClients()),
		rateText(rate) + " MB/s",
		"p99 " + latencyText(s.GetChunkWrites().GetRecentP99Nano()),
		bytesText(bytes),
	}
	if s.GetStartedUnixNano() != 0 {
		parts = slices.Insert(parts, 2, clockText(time.Duration(s.GetNowUnixNano()-s.GetStartedUnixNano())))
	}
	for _, n := range []struct {
		count uint64
		name  string
	}{{errors, "errors"}, {s.GetRejectedConnections(), "rejected"}, {s.GetShedConnections(), "shed"}, {uint64(s.GetRestarts()), "restarts"}} {
		if n.count > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", n.name, n.count))
		}
	}
	return strings.Join(parts, "  ")
}

// urgency is how far up a client belongs when not all can be drawn: 0 is first.
func urgency(c *bulkheadv1.SessionStatus) int {
	b := c.GetBeats()
	switch {
	case c.GetState() == "away":
		return 0
	case c.GetState() == "active" && b.GetLastMissed()+b.GetLastStalled()+b.GetLastLate() > 0:
		return 1
	case c.GetState() == "active":
		return 2
	case c.GetState() != "closed":
		return 3
	default:
		return 4
	}
}

// clientRow is a client in the table.
func clientRow(s *bulkheadv1.StatusResponse, c *bulkheadv1.SessionStatus) []cell {
	active := c.GetState() == "active"
	rate, p99, beats, pid := none, none, cell{text: none}, none
	if active {
		rate, p99, beats = rateText(c.GetBytesPerSecond()), latencyText(c.GetChunkWrites().GetRecentP99Nano()), beatsCell(c.GetBeats())
	}
	if c.GetHandlerPid() != 0 {
		pid = strconv.Itoa(int(c.GetHandlerPid()))
	}
	errors := cell{text: strconv.FormatUint(c.GetErrors(), 10), right: true}
	if c.GetErrors() > 0 {
		errors.style = odd
	}
	return []cell{
		{text: cut(clean(c.GetName()), 24)}, stateCell(c, s.GetNowUnixNano()), {text: rate, right: true}, {text: p99, right: true}, beats,
		{text: pid, right: true}, {text: bytesText(c.GetBytes()), right: true}, {text: strconv.FormatUint(c.GetRollovers(), 10), right: true},
		errors, {text: clean(c.GetCause())},
	}
}

// stateCell is a client's state, and for how long one that is away has been silent.
func stateCell(c *bulkheadv1.SessionStatus, now int64) cell {
	switch c.GetState() {
	case "active", "closed":
		return cell{text: c.GetState()}
	case "away":
		text := "away"
		if last := c.GetLastMessageUnixNano(); last != 0 {
			text += " " + clockText(time.Duration(now-last))
		}
		return cell{text: text, style: odd}
	default:
		return cell{text: clean(c.GetState()), style: bad}
	}
}

// beatsCell is the newest round of heartbeats: how many workers, or what is wrong.
func beatsCell(b *bulkheadv1.Beats) cell {
	asked := b.GetLastAnswered() + b.GetLastLate() + b.GetLastMissed()
	switch {
	case asked == 0:
		return cell{text: none}
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
