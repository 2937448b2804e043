package supervisor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"time"

	"bulkhead/internal/boottime"
	"bulkhead/internal/config"
	"bulkhead/internal/failpoint"
	"bulkhead/internal/pathname"
	"bulkhead/internal/protocol"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/cluster"
	"bulkhead/supervisor/journal"
	"bulkhead/supervisor/rundir"
)

// journalOptions returns the options of a run's journal, which sends to full, once, why it gave
// its reserve back.
func (c Config) journalOptions(full chan<- error) journal.Options {
	o := journal.Options{Sync: journal.SyncBatch, SegmentBytes: int64(c.Journal.SegmentSize),
		ReserveBytes: int64(c.Journal.Reserve)}
	if c.Journal.Sync == config.JournalSyncNone {
		o.Sync = journal.SyncNone
	}
	o.Full = func(err error) {
		select {
		case full <- err:
		default:
		}
	}
	o.Unreserved = func(err error) {
		c.Logger.Warn("no space is kept in reserve for the end of the run", "error", err)
	}
	return o
}

// record makes records durable, dated now if they have no date yet. When the journal fails the run does, and record
// returns false: nothing that is not durable may be acknowledged.
func (r *run) record(recs ...*bulkheadv1.Record) bool { return r.recordOf(nil, recs) }

// recordOf does what record does with records of a session; of none if p is nil.
func (r *run) recordOf(p *processor, recs []*bulkheadv1.Record) bool {
	date(recs)
	err := r.append(p, recs, len(recs))
	if errors.Is(err, cluster.ErrRefused) {
		err = r.recordEach(p, err, recs)
	}
	if p != nil && r.engine != nil && (errors.Is(err, cluster.ErrMoved) || errors.Is(err, cluster.ErrEnded)) {
		p.moved(err)
		return false
	}
	if p == nil && r.engine != nil && errors.Is(err, cluster.ErrEnded) {
		r.log.Debug("a fact of the run came behind its end, which another supervisor has recorded")
		return false
	}
	return r.durable(err)
}

// append makes the last n of recs durable; what is before them is.
func (r *run) append(p *processor, recs []*bulkheadv1.Record, n int) error {
	if p == nil {
		return r.book.Note(context.Background(), recs[len(recs)-n:]...)
	}
	return p.book.Append(context.Background(), p.head(recs), recs[len(recs)-n:]...)
}

// durable takes the answer of the journal, and reports whether what was to be recorded is durable.
func (r *run) durable(err error) bool {
	if err == nil {
		if size := r.journalled(); r.space.Reached(size) || size-r.looked.Load() >= lookBytes {
			r.checkSpace()
		}
		return true
	}
	select {
	case r.failed <- err:
		r.log.Error("the journal cannot be written; the run ends", "error", err)
	default:
	}
	return false
}

// lookBytes is after how much that was journalled the room for more is looked at, also before the
// time for that has come.
const lookBytes = 1 << 20

// leastScarce is how many bytes a second clients are read at least, however little is left, such as of
// a journal that is beyond a limit that was lowered: they could not end otherwise.
const leastScarce = 64 << 10

// checkSpace lets the run end in order when its journal has little room left: from now on clients are
// read so slowly that half of it lasts for the drain.
func (r *run) checkSpace() {
	size := r.journalled()
	r.looked.Store(size)
	if r.scarce.Load() {
		return
	}
	short := r.space.Look(size)
	if short == nil || r.scarce.Swap(true) {
		return
	}
	r.shares.Scarce(scarceRate(short.Left, r.cfg.DrainTimeout))
	r.short <- short // which has room for the one
}

// scarceRate returns how many bytes a second clients are read, so that half of what is left lasts for a
// drain.
func scarceRate(left int64, drain time.Duration) float64 {
	return max(float64(left)/2/max(drain, time.Second).Seconds(), leastScarce)
}

// date sets the time of records that have none to now.
func date(recs []*bulkheadv1.Record) {
	now := time.Now()
	wall, elapsed := now.UnixNano(), boottime.At(now)
	for _, rec := range recs {
		if rec.TimeUnixNano == 0 {
			rec.TimeUnixNano, rec.ElapsedNano = wall, elapsed
		}
	}
}

// recordEach makes records durable one by one, after the journal has refused some of
// them for why. One that it refuses alone is left out and logged: no words that somebody
// else chose may end the run. Messages are never left out.
func (r *run) recordEach(p *processor, why error, recs []*bulkheadv1.Record) error {
	for i, rec := range recs {
		err := r.append(p, recs[:i+1], 1)
		switch {
		case err == nil:
		case !errors.Is(err, cluster.ErrRefused), rec.GetSessionBatch() != nil:
			return err
		default:
			r.log.Error("a record is left out of the journal", "record", fmt.Sprintf("%T", rec.GetEntry()),
				"error", why)
		}
	}
	return nil
}

// handlerDied journals a handler that died before its use, unless the run's last
// record is due.
func (r *run) handlerDied(rec *bulkheadv1.HandlerExited) {
	r.recordUnsealed(&bulkheadv1.Record{Entry: &bulkheadv1.Record_HandlerExited{HandlerExited: rec}})
}

// recordUnsealed records what concerns no session, unless the run's last record is due.
func (r *run) recordUnsealed(rec *bulkheadv1.Record) {
	r.pooled.Lock()
	defer r.pooled.Unlock()
	if r.sealed {
		return
	}
	r.record(rec)
}

// seal keeps handlers that die in the pool, and pauses, out of the journal: after it only
// the caller has something to record.
func (r *run) seal() {
	r.pooled.Lock()
	defer r.pooled.Unlock()
	r.sealed = true
}

// What is kept of a Hello, which can be as large as a frame while its session continues for
// as long as the run: the journal has the whole of it.

// ofConnection returns the part of a Hello that is about its connection.
func ofConnection(h *bulkheadv1.Hello) *bulkheadv1.Hello {
	return &bulkheadv1.Hello{
		WallClockUnixNano: h.GetWallClockUnixNano(), ElapsedNano: h.GetElapsedNano(), Absence: h.GetAbsence(),
		StarvedNano: h.GetStarvedNano(), LastEnd: h.GetLastEnd(),
		Host: h.GetHost(), Pid: h.GetPid(), LastConnection: h.GetLastConnection(), Instance: h.GetInstance(),
		SentSeq: h.SentSeq,
	}
}

// What a processor journals of its session.

// attachRecord also notes the connection as the session's.
func (p *processor) attachRecord(l *link) *bulkheadv1.Record {
	p.connection = l.id
	bound := p.bound
	p.bound = nil
	return &bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionAttached{SessionAttached: &bulkheadv1.SessionAttached{
		Session: p.number, ConnectionId: l.id, HandlerPid: int32(l.child.Pid()), Peer: l.peer, ResumeAfter: p.durable,
		ClientWallClockUnixNano: l.hello.GetWallClockUnixNano(), ClientElapsedNano: l.hello.GetElapsedNano(),
		Absence: l.hello.GetAbsence(), StarvedNano: l.hello.GetStarvedNano(), LastEnd: clipped(l.hello.GetLastEnd()),
		Connection: p.holder.Welcomes, Instance: p.holder.Instance, Identity: bound,
	}}}
}

func (p *processor) detachRecord(class bulkheadv1.DetachClass, cause string, silent time.Duration) *bulkheadv1.Record {
	return &bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionDetached{SessionDetached: &bulkheadv1.SessionDetached{
		Session: p.number, ConnectionId: p.connection, Cause: clipped(cause), Class: class, SilentNano: int64(silent),
		LostAcknowledged: errors.Is(p.lie, errLostAcknowledged),
	}}}
}

func (p *processor) endRecord(now phase, cause string) *bulkheadv1.Record {
	end := &bulkheadv1.SessionEnded{Session: p.number, Outcome: now.outcome(), Cause: clipped(cause),
		LastSeq: p.durable}
	if now == quarantined {
		end.KilledHandlers = uint32(p.poison.Kills)
		var err error
		failpoint.Hit("supervisor/before-quarantine")
		if end.QuarantineFile, err = rundir.KeepFrame(p.run.dir, p.id, p.frame); err != nil {
			p.log.Error(err.Error())
		}
		failpoint.Hit("supervisor/after-quarantine")
	}
	return &bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionEnded{SessionEnded: end}}
}

// poisonCause returns in words what quarantined the session.
func (p *processor) poisonCause(last string) string {
	return fmt.Sprintf("%d handlers in a row died on what follows message %d (the last one: %s)", p.poison.Kills,
		p.durable, last)
}

// maxWords bounds what the journal keeps of a text that somebody else chose, in bytes.
const maxWords = 1024

// clipped returns a text that somebody else chose as the journal keeps it: valid UTF-8, and not
// long.
func clipped(s string) string { return pathname.Clip(s, maxWords) }

// runStarted returns a run's first record.
func runStarted(cfg Config, id string, listen net.Addr, locks *bulkheadv1.Sandbox) *bulkheadv1.RunStarted {
	return &bulkheadv1.RunStarted{
		RunId: id, Version: cfg.Version, GoVersion: runtime.Version(), Host: rundir.Host(),
		Listen: listen.String(), ExpectedClients: uint32(cfg.Clients.Count), LingerNano: int64(cfg.Linger),
		SessionGraceNano: int64(cfg.Session.Grace), JournalSync: string(cfg.Journal.Sync), Pid: int32(os.Getpid()),
		BootId: boottime.ID(), ExpectedNames: cfg.Clients.Names, Settings: settingsOf(cfg),
		RecordMinor: protocol.RecordMinor, Sandbox: locks,
		Gather: gatherOf(cfg), WaitClientsNano: int64(cfg.WaitClients), Assertions: assertionTexts(cfg.Assert),
	}
}

// supervisorJoined returns what a run on an engine has of this supervisor.
func supervisorJoined(cfg Config, listen net.Addr) *bulkheadv1.SupervisorJoined {
	return &bulkheadv1.SupervisorJoined{Host: rundir.Host(), Listen: listen.String(), Pid: int32(os.Getpid()),
		Version: cfg.Version}
}

// settingsOf returns the settings that an operator may change when the run is resumed.
func settingsOf(cfg Config) *bulkheadv1.Settings {
	return &bulkheadv1.Settings{
		LingerNano: int64(cfg.Linger), SessionGraceNano: int64(cfg.Session.Grace),
		DrainTimeoutNano: int64(cfg.DrainTimeout),
		KeepRunning:      cfg.KeepRunning, MaxClients: uint32(cfg.Overload.MaxClients),
		TokenRequired: cfg.Token != "" || cfg.TokenFile != "" || cfg.Tokens != "",
		JournalSync:   string(cfg.Journal.Sync), Certificate: cfg.credentials().Certificate(),
		ClientCertificates: cfg.credentials().AsksCertificate(), ClientTokens: cfg.Tokens != "",
	}
}
