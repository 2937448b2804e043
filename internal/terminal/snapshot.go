package terminal

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"bulkhead/internal/human"
	"bulkhead/internal/linkzone"
	"bulkhead/internal/protocol"
	"bulkhead/internal/sandbox"
	"bulkhead/internal/table"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// snapshotMissing is how many of those that a gather waits for are named.
const snapshotMissing = 20

// PrintStatus prints a run as it is now, once, for a person.
func PrintStatus(to io.Writer, s *bulkheadv1.StatusResponse) error {
	w := new(bytes.Buffer)
	now := time.Unix(0, s.GetNowUnixNano())
	fmt.Fprintf(w, "%s; clients %d of %d; supervisor pid %d on %s\n",
		headLine(now, s), s.GetJoinedClients(), s.GetExpectedClients(), s.GetPid(), s.GetListen())
	if g := s.GetGather(); g != nil {
		fmt.Fprintln(w, gatherText(g, snapshotMissing))
	} else if absent := s.GetAbsentNames(); len(absent) > 0 {
		more := ""
		if n := s.GetAbsentLeftOut(); n > 0 {
			more = fmt.Sprintf(" and %d more", n)
		}
		fmt.Fprintf(w, "waiting for %s%s\n", strings.Join(absent, ", "), more)
	}
	for _, one := range s.GetStageWaits() {
		fmt.Fprintln(w, stageWaitText(one, snapshotMissing))
	}
	if n := s.GetLostLogLines(); n > 0 {
		fmt.Fprintf(w, "the supervisor's log is not being read: %d lines dropped\n", n)
	}
	if d := s.GetJournalUnavailableNano(); d > 0 {
		fmt.Fprintf(w, "the journal's engine has not been reached for %s: nothing is acknowledged until it is\n",
			time.Duration(d).Round(100*time.Millisecond))
	}
	printSupervisors(w, s)
	if why := s.GetDrainReason(); why != "" {
		fmt.Fprintf(w, "the run is drained: %s\n", why)
	}
	for _, a := range s.GetAssertions() {
		fmt.Fprintf(w, "assert %s\n", assertionText(a))
	}
	fmt.Fprintf(w,
		"connections %d accepted, %d rejected, %d shed; handlers %d busy, %d ready, %d starting; restarts %d\n",
		s.GetAcceptedConnections(), s.GetRejectedConnections(), s.GetShedConnections(),
		s.GetHandlersBusy(), s.GetPoolReady(), s.GetPoolStarting(), s.GetRestarts())
	printSandbox(w, s.GetSandbox())
	printCertificate(w, now, s.GetCertificate())
	if s.GetCertificate() == nil && !linkzone.Loopback(s.GetListen()) {
		w.WriteString("plain text: who is between the clients and this address can read and change everything\n")
	}
	printReserves(w, s.GetReserves())
	if len(s.GetSessions()) > 0 {
		w.WriteString("\n")
		sessionTable(now, s.GetSessions()).Write(w, "", math.MaxInt)
	}
	printAgents(w, s.GetAgents())
	_, err := to.Write(w.Bytes())
	return err
}

// printSupervisors prints who serves the run, and how all of it goes, if they are several.
func printSupervisors(w io.Writer, s *bulkheadv1.StatusResponse) {
	if len(s.GetSupervisors()) == 0 {
		return
	}
	line := func(t *bulkheadv1.SessionTotals) string {
		text := fmt.Sprintf("%s MB/s, %s written", human.LiveMegabytes(t.GetBytesPerSecond()),
			human.LiveSize(t.GetBytes()))
		if n := t.GetErrors(); n > 0 {
			text += fmt.Sprintf(", %d errors", n)
		}
		return text
	}
	fmt.Fprintf(w, "%d supervisors serve this run; all together: %s\n", len(s.GetSupervisors()), line(s.GetRunTotals()))
	for _, one := range s.GetSupervisors() {
		which := "this one"
		if ago := one.GetHeardAgoNano(); ago > 0 {
			which = "heard " + time.Duration(ago).Round(100*time.Millisecond).String() + " ago"
		}
		fmt.Fprintf(w, "  supervisor %d on %s at %s: %d open sessions, %s; %s\n", one.GetSupervisor(), one.GetHost(),
			one.GetListen(), one.GetOpenSessions(), line(one.GetTotals()), which)
	}
}

// printSandbox prints how the handlers are locked in, if the supervisor says.
func printSandbox(w io.Writer, s *bulkheadv1.Sandbox) {
	if s == nil {
		return
	}
	text := "sandbox " + protocol.Word(s.GetState())
	if s.GetState() == bulkheadv1.SandboxState_SANDBOX_STATE_UNSPECIFIED {
		text = "sandbox not known: no handler has started"
	}
	var missing []sandbox.Missing
	for _, gap := range s.GetMissing() {
		missing = append(missing, sandbox.Missing{Layer: sandbox.Layer(gap.GetLayer()), Reason: clean(gap.GetReason())})
	}
	if len(missing) > 0 {
		text += ", without " + sandbox.Words(missing)
	}
	fmt.Fprintln(w, text)
}

// printCertificate prints until when the supervisor's certificate is valid, if it has one.
func printCertificate(w io.Writer, now time.Time, c *bulkheadv1.Certificate) {
	if c == nil {
		return
	}
	until := time.Unix(0, c.GetNotAfterUnixNano())
	left := "has expired"
	if d := until.Sub(now); d > 0 {
		left = "expires in " + human.LongDuration(d)
	}
	fmt.Fprintf(w, "TLS with the certificate of %s, which %s (%s)\n", c.GetName(), left,
		until.UTC().Format(time.DateTime+" MST"))
}

// sessionTable returns a table with a row for each session, none of which is cut.
func sessionTable(now time.Time, sessions []*bulkheadv1.SessionStatus) *table.Table {
	t := table.New("CLIENT", "STATE", "HANDLER", "PEER", "MESSAGES", "MSG/S", "WRITTEN", "RATE", "ERRORS",
		"LAST MESSAGE", "RESUMES", "CAUSE")
	for _, c := range sessions {
		pid, last := "-", "-"
		if c.GetHandlerPid() != 0 {
			pid = fmt.Sprint(c.GetHandlerPid())
		}
		if c.GetLastMessageUnixNano() != 0 {
			last = since(c.GetLastMessageAgoNano(), now, c.GetLastMessageUnixNano()) + " ago"
		}
		t.Row(c.GetName(), c.GetState(), pid, orDash(c.GetPeer()), fmt.Sprint(c.GetDurableSeq()),
			fmt.Sprintf("%.1f", c.GetMessagesPerSecond()), human.InMegabytes(c.GetBytes()),
			human.InMegabytesPerSecond(c.GetBytesPerSecond()), fmt.Sprint(c.GetErrors()), last,
			fmt.Sprint(c.GetResumes()), orDash(causeAndNote(c)))
	}
	return t
}

// printReserves prints what is left of the things that a supervisor must not run out of.
func printReserves(w *bytes.Buffer, reserves []*bulkheadv1.Reserve) {
	var left, reached []string
	for _, r := range reserves {
		name := protocol.Word(r.GetKind())
		amount := func(n uint64) string { return fmt.Sprint(n) }
		switch r.GetKind() {
		case bulkheadv1.ReserveKind_RESERVE_KIND_INBOXES, bulkheadv1.ReserveKind_RESERVE_KIND_DISK,
			bulkheadv1.ReserveKind_RESERVE_KIND_JOURNAL:
			amount = human.InMegabytes
		case bulkheadv1.ReserveKind_RESERVE_KIND_WORK:
			amount = func(n uint64) string { return fmt.Sprintf("%d ms/s", n/1000) }
		}
		left = append(left, fmt.Sprintf("%s %s of %s", name, amount(r.GetLeft()), amount(r.GetLimit())))
		if r.GetReached() {
			reached = append(reached, fmt.Sprintf("%s (%s; %s are kept in reserve)", name, r.GetLimitedBy(),
				amount(r.GetReserve())))
		}
	}
	if len(left) > 0 {
		fmt.Fprintf(w, "left: %s\n", strings.Join(left, ", "))
	}
	if len(reached) > 0 {
		fmt.Fprintf(w, "clients get no more of: %s\n", strings.Join(reached, ", "))
	}
}

// headLine returns which run it is, its state, and for how long it has lasted, if there is one.
func headLine(now time.Time, s *bulkheadv1.StatusResponse) string {
	switch {
	case s.GetRunId() == "":
		return "no run yet: " + s.GetState()
	case s.GetStartedUnixNano() == 0:
		return fmt.Sprintf("run %s: %s", s.GetRunId(), s.GetState())
	default:
		return fmt.Sprintf("run %s: %s for %s", s.GetRunId(), s.GetState(),
			since(s.GetLastedNano(), now, s.GetStartedUnixNano()))
	}
}

// since returns how long ago something was: as it was measured, or, of an older supervisor, by
// its wall clock; 0s if that was set back and says that it is still to come.
func since(measured int64, now time.Time, then int64) string {
	if measured > 0 {
		return time.Duration(measured).Round(100 * time.Millisecond).String()
	}
	return max(0, now.Sub(time.Unix(0, then))).Round(100 * time.Millisecond).String()
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
