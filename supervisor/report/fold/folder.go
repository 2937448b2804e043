package fold

import (
	"errors"
	"fmt"

	"bulkhead/internal/plaintext"
	"bulkhead/internal/protocol"
	"bulkhead/internal/tally"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/judge"
)

// Folder folds the records of one run, in order, into a Report. It is not safe
// for concurrent use.
type Folder struct {
	records uint64
	last    report.Stamp // time of the newest record, on the axis
	clock   axis         // of the supervisor
	bootID  string       // names what its elapsed counts from
	// reboots are when it was resumed on another boot of the machine.
	reboots []report.Stamp
	started bool
	run     report.Run
	// recordMinor is how far the records have grown that the newest supervisor writes.
	recordMinor uint32

	restarted uint64 // restarts and upgrades so far
	restarts  recent[report.Restart]
	shed      []report.Shed // at most maxShedReasons
	pauses    earliest[report.Pause]

	supervisors earliest[report.Supervisor]
	outages     earliest[report.JournalOutage]
	unproven    tally.Tally[string]

	sessions map[uint32]*sessionState
	order    []*sessionState // by arrival
	// handlers are shared with serving, which finds those whose end is still to
	// come by connection.
	handlers   recent[*report.Handler]
	serving    map[uint64]*report.Handler
	rejections recent[report.Rejection]
	refused    tally.Tally[judge.Refusal]

	rejectionGroups rejectionGroups
	violations      tally.Tally[string]
	damage          *report.Damage

	rooms                rooms
	declared             int // bytes of what clients declared, as far as it is kept
	share                int // how much of that a client has room for; 0 until the first did not have it
	time                 timeline
	stages               stages
	open                 int          // sessions
	drainAt              report.Stamp // of the first drain
	drainCause, drainWhy string
	settings             *bulkheadv1.Settings // the newest; nil if they were not told
	gatherFromFirst      bool                 // the time of the gather begins with the first client
	gathered             map[uint32]bool      // the sessions that were ready as the gather ended
	stageGathers         map[string]*stageGathered
	// divided is who has a part in the fleet's rate.
	divided map[string]bool
}

// NewFolder returns a Folder that has seen no record.
func NewFolder() *Folder {
	return &Folder{
		sessions:   make(map[uint32]*sessionState),
		serving:    make(map[uint64]*report.Handler),
		handlers:   recent[*report.Handler]{limit: report.MaxHandlers},
		rejections: recent[report.Rejection]{limit: report.MaxRejections},
		restarts:   recent[report.Restart]{limit: report.MaxRestarts},
		pauses:     earliest[report.Pause]{limit: maxPauses},

		supervisors: earliest[report.Supervisor]{limit: maxSupervisors},
		outages:     earliest[report.JournalOutage]{limit: maxPauses},
		unproven:    tally.Tally[string]{Limit: maxUnproven},

		refused:    tally.Tally[judge.Refusal]{Limit: report.MaxRefused},
		violations: tally.Tally[string]{Limit: report.MaxViolations},
	}
}

// Add folds the next record. An error says that the record breaks the order
// documented at bulkheadv1.Record, or makes no sense; the Folder has left out what
// it could not use, remembers the error as a violation, and continues. Nothing that
// a client sent causes an error.
func (f *Folder) Add(r *bulkheadv1.Record) error {
	f.records++
	at := f.moment(r)
	f.last = max(f.last, at)
	if f.records == 1 {
		f.time.begin(at)
	}
	active := f.open > 0
	err := errors.Join(f.checkOrder(r), f.fold(r, at))
	if active || f.open > 0 {
		f.time.reach(at, at)
		f.time.fit() // there may be more rows
	}
	if err == nil {
		return nil
	}
	err = fmt.Errorf("record %d: %w", f.records, err)
	f.violations.Add(plaintext.Line(err.Error(), plaintext.MaxText))
	return err
}

// moment returns when a record was made, on the supervisor's axis.
func (f *Folder) moment(r *bulkheadv1.Record) report.Stamp {
	wall, elapsed := report.Stamp(min(max(r.GetTimeUnixNano(), 0), report.MaxTime)), r.GetElapsedNano()
	if elapsed <= 0 || elapsed > report.MaxTime || wall == 0 {
		return f.clock.at(wall, 0)
	}
	boot := f.bootID
	switch e := r.GetEntry().(type) {
	case *bulkheadv1.Record_RunStarted:
		boot = e.RunStarted.GetBootId()
	case *bulkheadv1.Record_SupervisorRestarted:
		boot = e.SupervisorRestarted.GetBootId()
		// the clock began anew: only the wall clock can say how long no supervisor ran
		if boot == "" || boot != f.bootID {
			ahead := f.clock.ahead
			f.clock.anchor(max(f.clock.at(wall, 0), f.last), elapsed)
			f.clock.ahead = ahead
			if f.bootID != "" && len(f.reboots) < report.MaxSteps {
				f.reboots = append(f.reboots, f.clock.at(wall, elapsed))
			}
		}
	}
	f.bootID = boot
	if !f.clock.known {
		f.clock.anchor(wall, elapsed)
	}
	f.clock.look(wall, elapsed)
	return f.clock.at(wall, elapsed)
}

// checkOrder checks the place of r among the others of its run.
func (f *Folder) checkOrder(r *bulkheadv1.Record) error {
	_, starts := r.GetEntry().(*bulkheadv1.Record_RunStarted)
	switch {
	case starts && f.records > 1:
		return errors.New("the run starts, but it is not the first record")
	case !starts && f.records == 1:
		return errors.New("the first record does not start the run")
	case f.run.End != "":
		return errors.New("it comes after the end of the run")
	}
	return nil
}

func (f *Folder) fold(r *bulkheadv1.Record, at report.Stamp) error {
	switch e := r.GetEntry().(type) {
	case *bulkheadv1.Record_RunStarted:
		f.foldRunStarted(e.RunStarted, at)
	case *bulkheadv1.Record_SessionOpened:
		return f.foldOpened(e.SessionOpened, at)
	case *bulkheadv1.Record_SessionAttached:
		return f.foldAttached(e.SessionAttached, at)
	case *bulkheadv1.Record_SessionBatch:
		return f.withSession(e.SessionBatch.GetSession(), func(s *sessionState) error {
			return s.foldBatch(e.SessionBatch, at, r.GetElapsedNano() > 0)
		})
	case *bulkheadv1.Record_SessionDetached:
		return f.withSession(e.SessionDetached.GetSession(), func(s *sessionState) error {
			return s.foldDetached(e.SessionDetached, at,
				f.lostAcknowledged(e.SessionDetached.GetLostAcknowledged(), e.SessionDetached.GetCause()))
		})
	case *bulkheadv1.Record_SessionEnded:
		return f.withSession(e.SessionEnded.GetSession(), func(s *sessionState) error {
			return s.foldEnded(e.SessionEnded, at, f.lostAcknowledged(false, e.SessionEnded.GetCause()))
		})
	case *bulkheadv1.Record_HandlerExited:
		f.foldHandlerExited(e.HandlerExited)
	case *bulkheadv1.Record_ConnectionRejected:
		f.foldRejected(e.ConnectionRejected, at)
	case *bulkheadv1.Record_SupervisorRestarted:
		f.foldRestarted(e.SupervisorRestarted, at)
	case *bulkheadv1.Record_ConnectionsShed:
		f.foldShed(e.ConnectionsShed, at)
	case *bulkheadv1.Record_DrainStarted:
		f.foldDrain(drainCause(e.DrainStarted.GetCause()), e.DrainStarted.GetReason(), at)
	case *bulkheadv1.Record_SessionDrained:
		return f.withSession(e.SessionDrained.GetSession(), func(s *sessionState) error {
			s.client.DrainedAt, s.client.DrainReason = at, plaintext.Lines(e.SessionDrained.GetReason())
			return nil
		})
	case *bulkheadv1.Record_Contradiction:
		s := f.sessions[e.Contradiction.GetSession()]
		if s == nil {
			return fmt.Errorf("session %d was never opened", e.Contradiction.GetSession())
		}
		s.contradictRecord(e.Contradiction)
	case *bulkheadv1.Record_SessionSilent:
		return f.withSession(e.SessionSilent.GetSession(), func(s *sessionState) error {
			return s.foldSilent(e.SessionSilent, at)
		})
	case *bulkheadv1.Record_SupervisorPaused:
		f.foldPaused(e.SupervisorPaused, at)
	case *bulkheadv1.Record_JobStarted:
		f.run.Job = jobOf(e.JobStarted)
		f.run.FleetRate = fleetRateOf(e.JobStarted.GetFleetRate())
	case *bulkheadv1.Record_RateDivided:
		f.foldRateDivided(e.RateDivided, at)
	case *bulkheadv1.Record_JobJoined:
		f.foldJobJoined(e.JobJoined.GetClient())
	case *bulkheadv1.Record_GatherEnded:
		f.foldGathered(e.GatherEnded, at)
	case *bulkheadv1.Record_StageGathered:
		f.foldStageGathered(e.StageGathered, at)
	case *bulkheadv1.Record_AssertionBreached:
		f.foldBreached(e.AssertionBreached, at)
	case *bulkheadv1.Record_WaitEnded:
		f.run.WaitedNano = durationOrNone(e.WaitEnded.GetWaitedNano())
	case *bulkheadv1.Record_SupervisorJoined:
		f.foldJoined(e.SupervisorJoined, at)
	case *bulkheadv1.Record_SupervisorLeft:
		f.foldLeft(e.SupervisorLeft, at)
	case *bulkheadv1.Record_JournalUnavailable:
		f.foldUnavailable(e.JournalUnavailable, at)
	case *bulkheadv1.Record_JournalUnproven:
		f.foldUnproven(e.JournalUnproven)
	case *bulkheadv1.Record_RunEnded:
		f.foldRunEnded(e.RunEnded, at)
	default:
		return errors.New("it holds nothing this version knows")
	}
	return nil
}

// withSession calls fold with an open session.
func (f *Folder) withSession(number uint32, fold func(*sessionState) error) error {
	s := f.sessions[number]
	switch {
	case s == nil:
		return fmt.Errorf("session %d was never opened", number)
	case s.client.Outcome != report.OutcomeOpen:
		return fmt.Errorf("session %d has already ended", number)
	}
	err := fold(s)
	if s.client.Outcome != report.OutcomeOpen {
		f.open--
	}
	return err
}

func (f *Folder) foldRunStarted(e *bulkheadv1.RunStarted, at report.Stamp) {
	if f.started {
		return
	}
	f.started, f.settings, f.recordMinor = true, e.GetSettings(), e.GetRecordMinor()
	f.gatherFromFirst = e.GetGather().GetFromFirst()
	host := e.GetHost()
	f.run = report.Run{
		ID:               plaintext.Line(e.GetRunId(), plaintext.MaxName),
		Version:          plaintext.Line(e.GetVersion(), plaintext.MaxName),
		GoVersion:        plaintext.Line(e.GetGoVersion(), plaintext.MaxName),
		Pid:              e.GetPid(),
		Listen:           plaintext.Line(e.GetListen(), plaintext.MaxName),
		Host:             hostOf(host),
		StartedAt:        at,
		ExpectedClients:  e.GetExpectedClients(),
		ExpectedNames:    namesOf(e.GetExpectedNames()),
		LingerNano:       max(e.GetLingerNano(), 0),
		SessionGraceNano: max(e.GetSessionGraceNano(), 0),
		JournalSync:      plaintext.Line(e.GetJournalSync(), plaintext.MaxName),
		Certificate:      certificateOf(e.GetSettings().GetCertificate()),
		Sandbox:          sandboxOf(e.GetSandbox()),
		Gather:           gatherOf(e.GetGather()),
		Assertions:       assertionsOf(e.GetAssertions()),
	}
}

// certificateOf returns a supervisor's certificate; nil for none.
func certificateOf(c *bulkheadv1.Certificate) *report.Certificate {
	if c == nil {
		return nil
	}
	return &report.Certificate{Name: plaintext.Line(c.GetName(), plaintext.MaxName),
		NotAfter: report.Stamp(min(max(c.GetNotAfterUnixNano(), 0), protocol.MaxTime))}
}

func (f *Folder) foldOpened(e *bulkheadv1.SessionOpened, at report.Stamp) error {
	if f.sessions[e.GetSession()] != nil {
		return fmt.Errorf("session %d is opened again", e.GetSession())
	}
	f.rooms.clients++
	s := newSessionState(e, at, &f.rooms, f.room())
	s.line = f.time.newLine(s.client.ClockOffsetNano)
	f.open++
	f.sessions[e.GetSession()] = s
	f.order = append(f.order, s)
	s.stages = f.stages.declared(s.client.Workload.Stages)
	s.client.Stages = len(s.stages)
	f.declare(s)
	return nil
}

func (f *Folder) foldRunEnded(e *bulkheadv1.RunEnded, at report.Stamp) {
	switch e.GetReason() {
	case bulkheadv1.RunEnd_RUN_END_DONE:
		f.run.End = report.EndDone
	case bulkheadv1.RunEnd_RUN_END_DRAINED:
		f.run.End = report.EndDrained
		f.foldDrain(report.DrainByOperator, e.GetDetail(), at)
	case bulkheadv1.RunEnd_RUN_END_INTERRUPTED:
		f.run.End = report.EndInterrupted
		f.foldDrain(report.DrainByOperator, e.GetDetail(), at)
	case bulkheadv1.RunEnd_RUN_END_FAILED:
		f.run.End = report.EndFailed
	default:
		f.run.End = report.EndUnknown
	}
	f.run.EndedAt, f.run.EndDetail = at, plaintext.Lines(e.GetDetail())
	f.run.LengthNano = report.Between(f.run.StartedAt, at)
}

// drainCause returns the word for a cause. Journals of before have none: operators only drained.
func drainCause(c bulkheadv1.DrainCause) string {
	switch c {
	case bulkheadv1.DrainCause_DRAIN_CAUSE_UNSPECIFIED, bulkheadv1.DrainCause_DRAIN_CAUSE_OPERATOR:
		return report.DrainByOperator
	case bulkheadv1.DrainCause_DRAIN_CAUSE_DISK_FULL:
		return report.DrainByFullDisk
	case bulkheadv1.DrainCause_DRAIN_CAUSE_JOURNAL_SIZE:
		return report.DrainByJournalSize
	case bulkheadv1.DrainCause_DRAIN_CAUSE_DISK_LOW:
		return report.DrainByLowDisk
	case bulkheadv1.DrainCause_DRAIN_CAUSE_GATHER:
		return report.DrainByGather
	case bulkheadv1.DrainCause_DRAIN_CAUSE_JOB:
		return report.DrainByJob
	case bulkheadv1.DrainCause_DRAIN_CAUSE_ASSERTION:
		return report.DrainByAssertion
	default:
		return report.DrainUnknown
	}
}

// foldDrain keeps the begin of the first drain.
func (f *Folder) foldDrain(cause, why string, at report.Stamp) {
	if f.drainAt == 0 {
		f.drainAt, f.drainCause, f.drainWhy = at, cause, plaintext.Lines(why)
	}
}
