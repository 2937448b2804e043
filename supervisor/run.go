package supervisor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"bulkhead/internal/boottime"
	"bulkhead/internal/protocol"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/attendance"
	"bulkhead/supervisor/cluster"
	"bulkhead/supervisor/cluster/joined"
	"bulkhead/supervisor/cluster/single"
	"bulkhead/supervisor/door"
	"bulkhead/supervisor/journal"
	"bulkhead/supervisor/pool"
	"bulkhead/supervisor/recovery"
	"bulkhead/supervisor/reserve"
	"bulkhead/supervisor/rundir"
	"bulkhead/supervisor/share"
	"bulkhead/supervisor/watch"
)

// run is one run: its sessions, its journal and its end.
type run struct {
	cfg     Config
	id      string
	dir     string
	started time.Time // for people
	began   int64     // by boottime
	// restarts is how often a supervisor resumed the run of one before it.
	restarts int
	// damagedEnd says that the end of the journal that was set aside as it was resumed
	// may have been acknowledged.
	damagedEnd bool
	book       cluster.Run      // the journal, as a run's supervisors share it
	engine     *joined.Run      // book, if it is on an engine; else nil
	others     *others          // who serve the run, too; nil if it is on no engine
	listen     string           // where this supervisor listens; set before it serves the run
	folder     string           // of the journal; of the run, if that is on an engine
	keeper     *recovery.Keeper // of the journal's checkpoints; nil on an engine, which has none
	roster     *rundir.Roster
	disk       *rundir.Disk // of the journal
	latest     func() error // makes it the latest run
	cameOnce   sync.Once
	isLatest   atomic.Bool
	segments   map[string]bool // of the journal, as they were seen last; belongs to watch
	pool       *pool.Pool
	gate       *door.Gate
	farewell   *door.Farewell
	shedding   door.Shedding
	inboxes    *reserve.Inboxes
	shares     *share.Pool
	newcomers  *share.Newcomers
	rejected   door.Rejections
	earlier    rundir.Earlier
	log        *slog.Logger
	life       chan struct{} // holds one token after the lifecycle changed

	gathering gathering
	joint     joint
	dividing  dividing
	asserting asserting
	patience  patience

	uptime *watch.Uptime
	// jobEnds asks for the end of a run that a job began; alone says that it is drained for that, and
	// the supervisor is not.
	jobEnds    chan jobEnd
	alone      atomic.Bool
	reported   chan struct{} // closed when it is over and reported
	exitStatus uint32        // written before reported is closed
	byOperator bool          // the same; an operator ended it

	failed chan error // receives the first journal error
	full   chan error // receives the error that made the journal give its reserve back
	// damaged receives when damage is found in what a checkpoint has spared the supervisor; nil if nothing was
	damaged chan struct{}
	// journalled returns the length of the journal, which has the room that space says. short
	// receives what it has too little of, the first time.
	journalled func() int64
	space      reserve.Space
	short      chan *reserve.Shortage
	scarce     atomic.Bool  // short has received it
	looked     atomic.Int64 // the length of the journal as that was looked at last
	// livesOnReserve says that it has.
	livesOnReserve atomic.Bool
	accepted       atomic.Uint64
	refused        atomic.Uint64
	served         atomic.Int64 // when the pool was told last that handlers serve, by boottime

	pooled sync.Mutex // held while records of no session are written
	sealed bool       // guarded by pooled; they come too late

	mu      sync.Mutex
	cycle   lifecycle                // guarded by mu
	opening map[string]chan struct{} // guarded by mu; by client id: closed when its session is opened
	// elsewhereNames has the names of clients whose sessions are other supervisors'; guarded by mu; by client id.
	elsewhereNames map[string]string
	endsFor        string                          // guarded by mu; why the run ends now
	register       *attendance.Register            // guarded by mu
	sessions       map[string]*processor           // guarded by mu; by client id
	shown          map[string]*processor           // guarded by mu; by what reports show of that
	owners         map[string]*bulkheadv1.Identity // guarded by mu; who has a name, where that is known
	ids            map[string][]byte               // guarded by mu; what the client of a name has, where that is known
	joined         []*bulkheadv1.JobClient         // guarded by mu; of the job, that came while the run went on
	order          []*processor                    // guarded by mu; by session number
	closing        bool                            // guarded by mu; no new session may begin
	leaving        bool                            // guarded by mu; its sessions are left to other supervisors
	over           bool                            // guarded by mu; its agents are sent on to the next run
	drained        string                          // guarded by mu; why a drain was asked for
	drainCause     bulkheadv1.DrainCause           // guarded by mu; who asked for it
	drainBy        time.Time                       // guarded by mu; when its time is over
	links          map[*link]struct{}              // guarded by mu
	kept           []*link                         // guarded by mu; to be adopted by the next supervisor
	running        sync.WaitGroup                  // links
	procs          sync.WaitGroup                  // processors
	procCtx        context.Context                 // ends the processors
	stopProc       context.CancelFunc
}

// newRun opens the journal of a new run in its folder; ctx bounds that alone.
func newRun(ctx context.Context, cfg Config, id, dir string, listen net.Addr, locks *bulkheadv1.Sandbox,
	p *pool.Pool, g *door.Gate) (*run, error) {
	started := &bulkheadv1.Record{Entry: &bulkheadv1.Record_RunStarted{
		RunStarted: runStarted(cfg, id, listen, locks)}}
	if cfg.engine != nil {
		book, err := cfg.engine.Join(ctx, id, dir, started, supervisorJoined(cfg, listen))
		if err != nil {
			return nil, err
		}
		return runOn(cfg, id, dir, book, rundir.NewRoster(filepath.Join(dir, rundir.HandlerFolder)), p, g).begin(nil)
	}
	full := make(chan error, 1)
	folder := filepath.Join(dir, rundir.JournalFolder)
	j, err := journal.Create(folder, cfg.journalOptions(full))
	if err != nil {
		return nil, fmt.Errorf("opening the journal of run %s: %w", id, err)
	}
	book := single.On(folder, j, 0)
	r := runOn(cfg, id, dir, book, rundir.NewRoster(filepath.Join(dir, rundir.HandlerFolder)), p, g)
	r.full, r.journalled = full, j.Acknowledged
	r.keeper = recovery.NewKeeper(folder, recovery.Loaded{Past: recovery.New()}, j.Acknowledged, cfg.Logger)
	return r.begin(book.Start(started))
}

// begin sets a new run up, whose first record is durable unless err says why not.
func (r *run) begin(err error) (*run, error) {
	plan := gatherOf(r.cfg)
	r.gathers(plan)
	r.asserts(assertionTexts(r.cfg.Assert))
	r.waitsFor(plan, r.cfg.WaitClients, r.cfg.KeepRunning)
	if !r.durable(err) {
		return nil, errors.Join(<-r.failed, r.book.Close())
	}
	job := r.cfg.job
	if job != nil && !r.record(&bulkheadv1.Record{Entry: &bulkheadv1.Record_JobStarted{JobStarted: job}}) {
		return nil, errors.Join(<-r.failed, r.book.Close())
	}
	if !r.divide() {
		return nil, errors.Join(<-r.failed, r.book.Close())
	}
	return r, nil
}

// runOn returns a run on an open journal.
func runOn(cfg Config, id, dir string, book cluster.Run, roster *rundir.Roster, p *pool.Pool, g *door.Gate) *run {
	r := &run{
		cfg: cfg, id: id, dir: dir, started: time.Now(), began: boottime.Now(), book: book,
		roster: roster, folder: filepath.Join(dir, rundir.JournalFolder), opening: make(map[string]chan struct{}),
		elsewhereNames: make(map[string]string),
		pool:           p, gate: g, farewell: door.NewFarewell(),
		inboxes: reserve.NewInboxes(uint64(cfg.Overload.InboxMemory)),
		log:     cfg.Logger,
		short:   make(chan *reserve.Shortage, 1), journalled: func() int64 { return 0 },
		jobEnds: make(chan jobEnd, 1), reported: make(chan struct{}),
		life: make(chan struct{}, 1), uptime: watch.NewUptime(time.Now()), failed: make(chan error, 1),
		cycle: lifecycle{expected: cfg.Clients.Count}, register: attendance.New(cfg.Clients.Count, cfg.Clients.Names),
		sessions: make(map[string]*processor), shown: make(map[string]*processor),
		owners: ownersOf(cfg.job), ids: idsOf(cfg.job), links: make(map[*link]struct{}),
	}
	if r.engine, _ = book.(*joined.Run); r.engine != nil {
		r.folder = dir
		r.uptime.Without(r.engine.Missed)
		r.others = newOthers(r.engine.Supervisor())
		r.cycle.shared = true
	}
	r.disk = rundir.NewDisk(r.folder)
	r.space = reserve.Space{Folder: r.folder, Most: int64(cfg.Journal.MaxSize), Keep: cfg.Journal.MinFree}
	r.shares = share.NewPool(cfg.shares(), func() time.Duration { return time.Duration(boottime.Now()) })
	r.newcomers = share.NewNewcomers(r.shares)
	r.joint, r.dividing = newJoint(), newDividing(cfg.job)
	r.procCtx, r.stopProc = context.WithCancel(context.Background())
	return r
}

// becomeLatest makes the run the one that people look at first; once.
func (r *run) becomeLatest() {
	r.cameOnce.Do(func() {
		if err := r.latest(); err != nil {
			r.log.Error(err.Error())
		}
		r.isLatest.Store(true)
	})
}

// list makes a session known. r.mu is held, or nobody else has r yet.
func (r *run) list(p *processor) {
	r.sessions[string(p.hello.GetClientId())] = p
	r.shown[protocol.ShownID(p.hello.GetClientId())] = p
	if p.who != nil {
		r.owners[p.hello.GetName()] = p.who
	}
	at := len(r.order)
	for at > 0 && r.order[at-1].number > p.number { // on an engine they are opened side by side
		at--
	}
	r.order = slices.Insert(r.order, at, p)
}

// sessionEnded takes note that p's session has ended. p calls it once.
func (r *run) sessionEnded(p *processor) {
	r.mu.Lock()
	r.cycle.sessionEnded()
	if p.hello.GetResent() && p.durable > 0 {
		r.count(p)
	}
	r.mu.Unlock()
	r.others.countSoon()
	r.wake()
}

func (r *run) wake() {
	select {
	case r.life <- struct{}{}:
	default:
	}
}

// await waits until the run is over: nil when every session ended and nobody new
// came for the linger time, or after a drain; the journal's error when it failed;
// ctx's cause when the run must end now.
func (r *run) await(ctx context.Context) error {
	lingering := time.NewTimer(0)
	lingering.Stop()
	defer lingering.Stop()
	told := 0
	for {
		r.logWaiting(&told)
		r.mu.Lock()
		next := r.cycle.course()
		if next == finish && r.others == nil {
			r.closing = true
		}
		r.mu.Unlock()
		switch next {
		case finish:
			if r.overEverywhere(ctx) {
				return nil
			}
		case linger:
			lingering.Reset(r.cfg.Linger)
		case goOn:
			lingering.Stop()
		}
		select {
		case <-r.life:
		case <-lingering.C:
			if r.overEverywhere(ctx) && r.close(linger) {
				return nil
			}
		case err := <-r.failed:
			return err
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// close stops new sessions from beginning, if the run should still do that.
func (r *run) close(still course) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closing = r.closing || r.cycle.course() == still
	return r.closing
}

// nobodyCame reports whether no client has come, expected or not.
func (r *run) nobodyCame() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.order) == 0
}
