package campaign

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"bulkhead/internal/exitstatus"
	"bulkhead/internal/failpoint"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// ownerPatience is how long a supervisor that goes on with a job waits for whoever runs that.
const ownerPatience = 30 * time.Second

// Why a job is not taken, or not found.
var (
	ErrBusy     = errors.New("another job is running; one runs at a time")
	ErrNoJob    = errors.New("no job is running")
	ErrUnknown  = errors.New("the supervisor has no such job")
	ErrFollowed = errors.New("another job has followed this one")
	// ErrLeft says that the supervisor ends or is upgraded, and another goes on with the job.
	ErrLeft = errLeft
	// ErrEnded says that the supervisor has ended in order, and its job with it.
	ErrEnded = errors.New("the supervisor was ended")
)

// Past is what is left of a run that was begun for a job.
type Past struct {
	// Started is what its journal has of the job; nil if it did not begin.
	Started    *bulkheadv1.JobStarted
	ExitStatus uint32
}

// Desk takes the jobs of a supervisor, and runs one at a time.
type Desk struct {
	Supervisor
	Store Store
	Log   *slog.Logger
	// RunDir returns the folder of a run, and Past what is left of one that is over.
	RunDir func(id string) string
	Past   func(id string) Past
	// Sum writes into a job's folder what its runs came to together.
	Sum func(dir string) error

	work chan *Order

	mu   sync.Mutex
	last *Order // guarded by mu; the newest; nil before the first
	left error  // guarded by mu; why no job is taken any more; nil if they are
}

// Order is a job that was taken.
type Order struct {
	desk    *Desk
	kept    *kept
	board   *Board
	stop    chan string
	under   *underWay
	earlier *bulkheadv1.JobStarted
	after   <-chan struct{} // closed when it may begin; nil for at once
	done    chan struct{}   // closed when it is over
	owned   chan struct{}   // closed when somebody follows it, or is not waited for any more; nil if nobody is

	// All below is guarded by desk.mu.
	over   bool
	left   bool        // another supervisor goes on with it
	err    error       // of one that is over
	owners int         // who follow it
	absent *time.Timer // nobody has come back to it yet; nil if nobody is waited for
	worst  uint32
}

// NewDesk returns a desk; its fields are to be set before Run.
func NewDesk() *Desk { return &Desk{work: make(chan *Order, 1)} }

// Take takes a job. startedFor says that the supervisor was started for it: it is nobody's then.
func (d *Desk) Take(ask *bulkheadv1.RunJobRequest, startedFor bool) (*Order, error) {
	return d.take(ask, startedFor, nil)
}

func (d *Desk) take(ask *bulkheadv1.RunJobRequest, startedFor bool, after <-chan struct{}) (*Order, error) {
	if _, err := entriesOf(ask.GetJob()); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.left != nil {
		return nil, d.left
	}
	if d.last != nil && !d.last.over {
		return nil, ErrBusy
	}
	c := &bulkheadv1.Campaign{Id: newID(time.Now()), Job: ask.GetJob(), WaitNano: ask.GetWaitNano(),
		StartedFor: startedFor}
	o := d.order(c, false)
	o.after = after
	if startedFor { // an upgrade must not take it for one that was run to its end
		if err := d.Store.save(c); err != nil {
			return nil, err
		}
		o.kept.saved = true
	}
	d.last = o
	d.work <- o // has room: the one before is over
	return o, nil
}

func (d *Desk) order(c *bulkheadv1.Campaign, saved bool) *Order {
	o := &Order{desk: d, kept: keep(d.Store, c, saved, d.Log), board: NewBoard(), stop: make(chan string, 1),
		done: make(chan struct{})}
	o.board.Post(&bulkheadv1.JobEvent{Event: &bulkheadv1.JobEvent_Taken{
		Taken: &bulkheadv1.JobTaken{JobId: c.GetId()}}})
	return o
}

// Find returns the job of that id, if it is the newest; otherwise ErrFollowed if it had a run, and
// ErrUnknown if it had none, or is nobody's.
func (d *Desk) Find(id string) (*Order, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.last != nil && d.last.kept.id == id:
		return d.last, nil
	case d.Store.followed(id):
		return nil, ErrFollowed
	default:
		return nil, ErrUnknown
	}
}

// Stop ends the job that runs, in order, if it is the one of that id; "" is whichever runs.
func (d *Desk) Stop(id, reason string) error {
	d.mu.Lock()
	o := d.last
	d.mu.Unlock()
	if o == nil || o.isOver() || id != "" && o.kept.id != id {
		return ErrNoJob
	}
	o.end(reason)
	return nil
}

// isOver reports whether the job is over.
func (o *Order) isOver() bool {
	o.desk.mu.Lock()
	defer o.desk.mu.Unlock()
	return o.over
}

// end drains the run that is under way; no further one is begun.
func (o *Order) end(reason string) {
	o.kept.set(func(c *bulkheadv1.Campaign) { c.Ended = cmp.Or(c.GetEnded(), reason) })
	select {
	case o.stop <- reason:
	default: // it was asked for already
	}
}

// Follow calls tell with all that is told of the job, until it is over, and returns why it was not run
// to its end; ErrLeft when another supervisor goes on with it. A job that nobody follows any more ends,
// unless the supervisor was started for it.
func (o *Order) Follow(ctx context.Context, tell func(*bulkheadv1.JobEvent) error) error {
	o.own(1)
	err := o.board.Follow(ctx, tell)
	if o.own(-1) && !o.kept.now().GetStartedFor() {
		o.end("whoever ran the job is gone")
	}
	return err
}

// own counts who follows the job, and reports whether nobody does who should.
func (o *Order) own(more int) (lonely bool) {
	o.desk.mu.Lock()
	defer o.desk.mu.Unlock()
	if o.absent != nil && o.absent.Stop() {
		close(o.owned)
		o.absent = nil
	}
	o.owners += more
	return o.owners == 0 && !o.over && !o.left
}

// Done is closed when the job is over; Result is for after that.
func (o *Order) Done() <-chan struct{} { return o.done }

// Result returns the exit status of the worst run, and why the job was not run to its end.
func (o *Order) Result() (worst uint32, err error) {
	o.desk.mu.Lock()
	defer o.desk.mu.Unlock()
	return o.worst, o.err
}

// Dir returns the job's folder.
func (o *Order) Dir() string { return o.kept.dir() }

// tell posts an event.
func (o *Order) tell(e *bulkheadv1.JobEvent) {
	if ended := e.GetEnded(); ended != nil {
		o.desk.mu.Lock()
		o.worst = exitstatus.Worse(o.worst, ended.GetExitStatus())
		o.desk.mu.Unlock()
	}
	if v := e.GetVersions(); v != nil {
		o.desk.Log.Warn("not all programs of the job are of one version: "+VersionsText(v), "job", o.kept.job.GetName())
	}
	o.board.Post(e)
}

// Run runs the jobs that are taken, until ctx is done.
func (d *Desk) Run(ctx context.Context) {
	for {
		select {
		case o := <-d.work:
			d.serve(ctx, o)
		case <-ctx.Done():
			return
		}
	}
}

// serve runs a job.
func (d *Desk) serve(ctx context.Context, o *Order) {
	name := o.kept.job.GetName()
	if o.after != nil {
		select {
		case <-o.after:
		case <-ctx.Done():
			return
		}
	}
	d.Log.Info("job begins", "job", name, "runs_begun", o.kept.begun())
	failpoint.Hit("supervisor/job-taken")
	r := &runner{Supervisor: d.Supervisor, tell: o.tell, stop: o.stop, patient: o.kept.now().GetStartedFor(),
		owned: o.owned}
	err := r.do(ctx, o.kept, o.under, o.earlier)
	if !errors.Is(err, errLeft) {
		d.conclude(o, err)
	}
}

// conclude ends a job.
func (d *Desk) conclude(o *Order, err error) {
	o.kept.set(func(c *bulkheadv1.Campaign) {
		c.Over = true
		if err != nil {
			c.Failure = err.Error()
		}
	})
	over := &bulkheadv1.JobOver{}
	if len(o.kept.now().GetRuns()) > 0 && o.kept.job.GetRepeat() > 1 {
		over.JobDir = o.kept.dir()
		if err := d.Sum(over.JobDir); err != nil {
			d.Log.Error("what the runs of the job came to together is not written", "error", err)
			over.JobDir = ""
		}
	}
	if err != nil {
		d.Log.Warn("job has not been run to its end", "job", o.kept.job.GetName(), "reason", err)
	} else {
		d.Log.Info("job is over", "job", o.kept.job.GetName())
	}
	o.finish(over, err)
}

// finish tells all who follow a job that it is over.
func (o *Order) finish(over *bulkheadv1.JobOver, err error) {
	o.board.Post(&bulkheadv1.JobEvent{Event: &bulkheadv1.JobEvent_Over{Over: over}})
	o.desk.mu.Lock()
	o.over, o.err = true, err
	if o.absent != nil {
		o.absent.Stop()
	}
	o.desk.mu.Unlock()
	o.board.Close(err)
	close(o.done)
}

// Leave is for after Run has returned: a supervisor that has ended in order ends its job, and all who
// follow one that is left to another supervisor are told so. No job is taken any more.
func (d *Desk) Leave(inOrder bool) {
	d.mu.Lock()
	if d.left = ErrEnded; !inOrder {
		d.left = errLeft
	}
	o := d.last
	left := o != nil && !o.over
	if left {
		if o.left = !inOrder; o.absent != nil {
			o.absent.Stop()
		}
	}
	d.mu.Unlock()
	switch {
	case !left:
	case inOrder:
		d.conclude(o, ErrEnded)
	default:
		o.board.Close(errLeft)
	}
}

// Resume looks for a job that a supervisor before this one has left, and goes on with it. first is the
// run that is served first, and job what its journal has of one; wanted is the job that this supervisor
// was started for, nil for none, and upgraded says that it goes on in the process of the one before. It
// is called once, before Take.
func (d *Desk) Resume(first Run, job *bulkheadv1.JobStarted, wanted *bulkheadv1.RunJobRequest,
	upgraded bool) (*Order, error) {
	o, err := d.leftBehind(first, job)
	if err != nil {
		return nil, err
	}
	if o != nil && !o.over {
		is := o.kept.now()
		switch {
		case wanted == nil && is.GetStartedFor():
			d.conclude(o, errors.New("the supervisor was started again without the job"))
		case wanted != nil && !upgraded && !(is.GetStartedFor() && proto.Equal(is.GetJob(), wanted.GetJob())):
			d.conclude(o, errors.New("the supervisor was started again with another job"))
		default:
			d.goOn(o)
			return o, nil
		}
	}
	switch {
	case wanted == nil:
		return nil, nil
	case o != nil && upgraded && o.kept.now().GetStartedFor(): // it was upgraded as it was about to end
		return o, nil
	case job != nil: // which has its run to its end first
		return d.take(wanted, true, first.Over())
	default:
		return d.Take(wanted, true)
	}
}

// leftBehind returns the newest job that was taken, nil if there is none.
func (d *Desk) leftBehind(first Run, job *bulkheadv1.JobStarted) (*Order, error) {
	c, err := d.Store.load()
	if errors.Is(err, fs.ErrNotExist) || err == nil && c == nil {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	o := d.order(c, true)
	for i, run := range c.GetRuns() {
		last := i == len(c.GetRuns())-1
		past := d.Past(run.GetRunId())
		if last && past.Started == nil && !c.GetOver() {
			c.Runs = c.GetRuns()[:i] // it did not begin
			break
		}
		event := o.kept.event(run.GetNumber(), run.GetRunId(), d.RunDir(run.GetRunId()))
		o.tell(&bulkheadv1.JobEvent{Event: &bulkheadv1.JobEvent_Begun{Begun: event}})
		o.earlier = past.Started
		if last && job.GetJobId() == c.GetId() && first.ID() == run.GetRunId() {
			o.under = &underWay{first, job}
			break
		}
		event = proto.CloneOf(event)
		event.ExitStatus = past.ExitStatus
		o.tell(&bulkheadv1.JobEvent{Event: &bulkheadv1.JobEvent_Ended{Ended: event}})
	}
	d.mu.Lock()
	d.last = o
	d.mu.Unlock()
	if c.GetOver() {
		over := &bulkheadv1.JobOver{}
		if len(c.GetRuns()) > 0 && c.GetJob().GetRepeat() > 1 {
			over.JobDir = o.kept.dir()
		}
		var failure error
		if why := c.GetFailure(); why != "" {
			failure = errors.New(why)
		}
		o.finish(over, failure)
	}
	return o, nil
}

// goOn goes on with a job that was left. One that is a command's waits for that to ask for it.
func (d *Desk) goOn(o *Order) {
	if !o.kept.now().GetStartedFor() {
		o.owned = make(chan struct{})
		d.mu.Lock()
		o.absent = time.AfterFunc(ownerPatience, func() { // stopped when it is over, or left
			o.kept.set(func(c *bulkheadv1.Campaign) {
				c.Last = fmt.Sprintf("whoever ran the job has not come back within %s", ownerPatience)
			})
			close(o.owned)
		})
		d.mu.Unlock()
	}
	d.Log.Info("job goes on that a supervisor before this one has left", "job", o.kept.job.GetName(),
		"runs_begun", o.kept.begun(), "job_dir", filepath.Clean(o.kept.dir()))
	d.work <- o // has room: it is the first
}

// Could asks the agents whether they could run a job, and runs nothing.
func (d *Desk) Could(ctx context.Context, ask *bulkheadv1.RunJobRequest, tell func(*bulkheadv1.JobEvent)) error {
	entries, err := entriesOf(ask.GetJob())
	if err != nil {
		return err
	}
	r := &runner{Supervisor: d.Supervisor, tell: tell}
	_, err = r.able(ctx, ask.GetJob(), entries, time.Duration(ask.GetWaitNano()), nil)
	return err
}
