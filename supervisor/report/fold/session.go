package fold

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"

	"bulkhead/internal/plaintext"
	"bulkhead/internal/protocol"
	"bulkhead/internal/tally"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/attendance"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/fold/machine"
)

// sessionState is what the fold keeps of one session.
type sessionState struct {
	client   report.Client // what needs no computing at the end
	wanted   int           // bytes that it declared, or some number above the share that there was for it
	clientID string        // raw, as sent
	minor    uint32        // how far the client's protocol has grown

	handler     *report.Handler // that serves the session, or did last; nil before the first
	connections recent[link]
	said        contradictions
	malformed   tally.Tally[report.Bad]
	shortened   tally.Tally[string] // names of fields

	processes map[processKey][]*processState // in order of their pids' arrival
	count     int                            // of all processes
	rollovers recent[listedRollover]
	round     uint64 // of the newest heartbeat

	latencies   [report.PhaseCount]distribution
	corruptions earliest[foundCorruption]
	window      window // of all consumers
	begun       begun
	stageReady  uint32 // the newest stage that it came to and waits for
	line        *clientLine
	clock       clientClock
	recorded    report.Stamp // time of the record being folded, supervisor's clock
	gaps        earliest[report.MessageGap]
	silentNow   bool           // the newest of gaps, or one that is left out, is not over
	room        room           // for the histograms of the processes
	machine     *machine.State // nil if it was never sampled
	stages      []ownStage     // those that it declared
}

// processKey is what names a process beside its pid.
type processKey struct {
	kind  bulkheadv1.ProcessKind
	index uint32
}

// listedRollover is a rollover and whose it is.
type listedRollover struct {
	process  *processState
	rollover report.Rollover
}

// identityOf returns who a client has proven to be; nil if it has not.
func identityOf(who *bulkheadv1.Identity) *report.Identity {
	out := &report.Identity{Name: plaintext.Line(who.GetName(), plaintext.MaxName)}
	switch who.GetKind() {
	case bulkheadv1.IdentityKind_IDENTITY_KIND_CERTIFICATE:
		out.Kind = report.IdentityCertificate
	case bulkheadv1.IdentityKind_IDENTITY_KIND_TOKEN:
		out.Kind = report.IdentityToken
	default:
		return nil
	}
	return out
}

// newSessionState returns a session of whose consumers so many bytes can have a place in the report.
func newSessionState(e *bulkheadv1.SessionOpened, at report.Stamp, shared *rooms, declared int) *sessionState {
	hello := e.GetHello()
	s := &sessionState{
		clientID:    string(hello.GetClientId()),
		minor:       hello.GetProtocolMinor(),
		connections: recent[link]{limit: report.MaxConnections},
		malformed:   tally.Tally[report.Bad]{Limit: report.MaxMissReasons},
		shortened:   tally.Tally[string]{Limit: report.MaxShortened},
		processes:   make(map[processKey][]*processState),
		rollovers:   recent[listedRollover]{limit: report.MaxRollovers},
		corruptions: earliest[foundCorruption]{limit: report.MaxCorruptions},
		gaps:        earliest[report.MessageGap]{limit: maxMessageGaps},
		room:        room{rooms: shared},
	}
	s.client = report.Client{
		Identity:  identityOf(e.GetIdentity()),
		Session:   e.GetSession(),
		SessionID: plaintext.Line(e.GetSessionId(), plaintext.MaxName),
		Name:      plaintext.Line(hello.GetName(), plaintext.MaxName),
		ClientID:  hex.EncodeToString([]byte(protocol.ShownID(hello.GetClientId()))),
		Host:      plaintext.Line(hello.GetHost(), 2*plaintext.MaxName),
		Pid:       hello.GetPid(),
		Version:   plaintext.Line(hello.GetClientVersion(), plaintext.MaxName),
		Labels:    labelsOf(hello.GetLabels()),
		Workload:  workloadOf(hello.GetWorkload(), declared),
		Outcome:   report.OutcomeOpen,
		OpenedAt:  at,
		Resent:    hello.GetResent(),
		Begun:     begunOf(hello.GetContinues()),
	}
	s.shorter("hello.", hello.GetShortened())
	s.clock.greet(hello, at)
	if clock := cmp.Or(s.clock.shown, stampOrNone(hello.GetWallClockUnixNano())); clock != 0 && at != 0 {
		s.client.ClockOffsetNano, s.clock.compared = int64(clock-at), true
	}
	return s
}

func labelsOf(labels map[string]string) map[string]string {
	kept := make(map[string]string)
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		if len(kept) == report.MaxLabels {
			break
		}
		kept[plaintext.Line(key, plaintext.MaxName)] = plaintext.Line(labels[key], plaintext.MaxName)
	}
	return kept
}

// keeps reports whether connection id, which the session is said to be attached to, is
// the one it has already and keeps after a restart of the supervisor, of which
// there were restarted so far.
func (s *sessionState) keeps(id, restarted uint64, at report.Stamp) (bool, error) {
	c := s.connections.find(func(c *link) bool { return c.ID == id })
	if c == nil || id == 0 {
		return false, nil
	}
	newest := s.connections.find(func(*link) bool { return true })
	switch {
	case c.DetachedAt != 0 || c != newest:
		return false, fmt.Errorf("session %d is attached again to connection %d, which it had lost", s.client.Session,
			id)
	case c.epoch == restarted:
		return false, fmt.Errorf("session %d is attached to connection %d again, with no restart between",
			s.client.Session, id)
	}
	c.epoch, c.LastKeptAt = restarted, at
	c.KeptThroughRestarts++
	s.client.KeptThroughRestarts++
	return true, nil
}

func (s *sessionState) foldAttached(e *bulkheadv1.SessionAttached, restarted uint64, at report.Stamp) {
	resumed := len(s.connections.items) > 0
	if who := identityOf(e.GetIdentity()); who != nil {
		s.client.Identity = who
	}
	if resumed {
		s.client.Resumes++
		s.clock.look(report.Stamp(e.GetClientWallClockUnixNano()), e.GetClientElapsedNano())
	}
	s.connections.add(link{
		Connection: report.Connection{
			ID:          e.GetConnectionId(),
			Supervisor:  supervisorOf(e.GetConnectionId()),
			HandlerPid:  e.GetHandlerPid(),
			Peer:        plaintext.Line(e.GetPeer(), plaintext.MaxName),
			AttachedAt:  at,
			ResumeAfter: e.GetResumeAfter(),
			Resumed:     resumed,
			Absence:     absenceOf(e.GetAbsence()),
			StarvedNano: durationOrNone(e.GetStarvedNano()),
			LastEnd:     plaintext.Line(e.GetLastEnd(), plaintext.MaxText),
		},
		said:  e.GetAbsence(),
		epoch: restarted,
	})
}

// lost says that the client had been acknowledged what the journal has no more.
func (s *sessionState) foldDetached(e *bulkheadv1.SessionDetached, at report.Stamp, lost bool) error {
	c := s.connections.find(func(c *link) bool {
		return c.ID == e.GetConnectionId() && c.DetachedAt == 0
	})
	if c == nil {
		return fmt.Errorf("session %d is detached from connection %d, which it has not", s.client.Session,
			e.GetConnectionId())
	}
	c.DetachedAt, c.DetachCause = at, plaintext.Lines(e.GetCause())
	if silent := durationOrNone(e.GetSilentNano()); silent > 0 {
		c.LastHeardAt = max(at-report.Stamp(silent), c.AttachedAt)
	}
	c.class, c.DetachClass, c.LostAcknowledged = e.GetClass(), detachClass(e.GetClass()), lost
	s.client.LostAcknowledged = s.client.LostAcknowledged || lost
	return nil
}

// foldHandlerEnd notes how the handler of a connection ended, which may be before or
// after the session lost the connection.
func (s *sessionState) foldHandlerEnd(connection uint64, class string) {
	if c := s.connections.find(func(c *link) bool { return c.ID == connection }); c != nil {
		c.end = class
	}
}

// lost is as of foldDetached.
func (s *sessionState) foldEnded(e *bulkheadv1.SessionEnded, at report.Stamp, lost bool) error {
	c := &s.client
	c.LostAcknowledged = c.LostAcknowledged || lost
	c.EndedAt, c.Cause = at, plaintext.Lines(e.GetCause())
	c.QuarantineFile, c.KilledHandlers = plaintext.Line(e.GetQuarantineFile(), plaintext.MaxText), e.GetKilledHandlers()
	switch e.GetOutcome() {
	case bulkheadv1.Outcome_OUTCOME_CLOSED:
		c.Outcome = report.OutcomeClosed
	case bulkheadv1.Outcome_OUTCOME_LOST:
		c.Outcome = report.OutcomeLost
	case bulkheadv1.Outcome_OUTCOME_REJECTED:
		c.Outcome = report.OutcomeRejected
	case bulkheadv1.Outcome_OUTCOME_QUARANTINED:
		c.Outcome = report.OutcomeQuarantined
	default:
		return fmt.Errorf("session %d ends without an outcome", c.Session)
	}
	if e.GetLastSeq() != c.LastSeq {
		return fmt.Errorf("session %d ends at message %d, but the journal holds %d", c.Session, e.GetLastSeq(),
			c.LastSeq)
	}
	return nil
}

// standingOf returns the name of a standing.
func standingOf(s attendance.Standing) string {
	switch s {
	case attendance.Again:
		return report.StandingAgain
	case attendance.Unexpected:
		return report.StandingUnexpected
	default:
		return report.StandingCounts
	}
}

// namesOf returns the names in a record, fit to be printed.
func namesOf(list []string) []string {
	names := make([]string, 0, min(len(list), report.MaxNames))
	for _, name := range list[:min(len(list), report.MaxNames)] {
		names = append(names, plaintext.Line(name, plaintext.MaxName))
	}
	return names
}

// attend counts the clients of a report that is finished but for them: ids are those of
// clients, by session, that were there or of which something was delivered.
func attend(r *report.Report, ids map[uint32]string) {
	register := attendance.New(int(r.Run.ExpectedClients), r.Run.ExpectedNames)
	known := make(map[string]bool, len(ids))
	for i := range r.Clients {
		c := &r.Clients[i]
		if id, ok := ids[c.Session]; ok && !known[id] {
			known[id] = true
			c.Standing = standingOf(register.Come(c.Name))
		}
	}
	r.Run.JoinedClients = uint32(register.Joined())
	r.Run.ExpectedNames = append([]string{}, r.Run.ExpectedNames...)
	r.Run.AbsentNames = append([]string{}, register.Absent()...)
}

// labelOf returns how a report calls a client: its name, with its session number
// behind it if others share the name.
func labelOf(name string, session uint32, shared bool) string {
	switch {
	case name == "":
		return fmt.Sprintf("session %d", session)
	case shared:
		return fmt.Sprintf("%s#%d", name, session)
	default:
		return name
	}
}

// part says whose rest a session is that was delivered later.
type part struct {
	of *sessionState
	// gapless says that it begins where the other session ends.
	gapless bool
	// missing is the last of the messages that are missing between, if that can be told;
	// else 0.
	missing uint64
}

// MaxMissing is how many missing messages are looked for in all: finding out how many
// there are takes a hash for each.
const MaxMissing = 1 << 18

// parts finds the sessions that are the rest of another. The id of such a session is
// derived from where it begins; one whose id tells nothing is the rest of the client's
// first session, with messages missing between.
func (f *Folder) parts() map[*sessionState]part {
	byID := make(map[string]*sessionState)
	first := make(map[protocol.Origin]*sessionState)
	for _, s := range f.order {
		// Two that came at nearly the same time may be journaled the other way around.
		if of := first[who(s)]; of == nil || s.client.Session < of.client.Session {
			first[who(s)] = s
		}
		if s.client.Resent {
			byID[s.clientID] = s
		}
	}
	found := make(map[*sessionState]part)
	for _, s := range f.order {
		if !s.client.Resent {
			continue
		}
		if of := first[who(s)]; of != s {
			found[s] = part{of: of}
		}
	}
	if len(byID) == 0 {
		return found
	}
	for _, s := range f.order {
		id := protocol.RestID([]byte(s.clientID), f.run.ID, s.client.LastSeq)
		if next := byID[string(id[:])]; next != nil && next != s {
			found[next] = part{of: s, gapless: true}
		}
	}
	budget := MaxMissing
	for _, s := range f.order {
		if p, is := found[s]; is && !p.gapless {
			p.missing = f.missingBefore(s, p.of, &budget)
			found[s] = p
		}
	}
	return found
}

// missingBefore returns after which message of another session one begins by its id; 0 if
// the id does not tell within budget hashes.
func (f *Folder) missingBefore(s, of *sessionState, budget *int) uint64 {
	for after := of.client.LastSeq + 1; *budget > 0; after++ {
		*budget--
		if id := protocol.RestID([]byte(of.clientID), f.run.ID, after); string(id[:]) == s.clientID {
			return after
		}
	}
	return 0
}

// isEmpty reports whether a session is of a client that was not there itself, and of which
// nothing was delivered in it.
func (s *sessionState) isEmpty() bool { return s.client.Resent && s.client.LastSeq == 0 }

// who returns the client that a session is of, also of one that was delivered later.
func who(s *sessionState) protocol.Origin {
	return protocol.Origin{Name: s.client.Name, Host: s.client.Host, Pid: s.client.Pid}
}
