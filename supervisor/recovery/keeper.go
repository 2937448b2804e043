package recovery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sys/unix"

	"bulkhead/internal/episode"
	"bulkhead/supervisor/journal"
)

const (
	// keepEvery is how often a Keeper looks how long the journal is.
	keepEvery = time.Second
	// keepBytes of journal behind the newest checkpoint are worth another, or keepShare times
	// what that takes on the disk, if it is more.
	keepBytes = 16 << 20
	keepShare = 8
	// askedBytes are worth one that is asked for.
	askedBytes = 1 << 20
	// foldBytes of the journal are folded at a time, and then the processors are left alone for
	// as long as that took.
	foldBytes = 4 << 20
	// freeShare of what is free a checkpoint may take on the disk.
	freeShare = 16
)

// errNoSpace says that a checkpoint gives way to the journal.
var errNoSpace = errors.New("the file system has too little space left for one")

// Keeper writes checkpoints of a journal that is being written. It reads what the processors
// have made durable, and they never wait for it. A nil Keeper keeps none.
type Keeper struct {
	// Damaged is told, once, of damage in what a checkpoint has spared this supervisor, which Run
	// reads meanwhile; nil is none. It is set before Run.
	Damaged func(error)

	dir          string
	acknowledged func() int64
	log          *slog.Logger
	asked        chan chan<- struct{}
	wished       chan struct{} // has an element when Wish wants a checkpoint
	worth        int64         // bytes of journal behind the newest checkpoint that are worth another
	// sync makes the journal durable up to a mark; tests watch it.
	sync func(at journal.Mark) error
	// busy has an element while a checkpoint is written, or Hold lets none be.
	busy chan struct{}

	// The rest belongs to Run.
	past     *Past
	follower *journal.Follower
	spared   journal.Mark // the end of what was not read
	whole    bool         // File is a checkpoint that fits, worth keeping as OldFile
	covered  int64        // bytes of the journal before the end of the newest checkpoint
	took     int64        // bytes that it takes on the disk
	trouble  episode.Episode
}

// NewKeeper returns the Keeper of the journal in dir, of which loaded is everything as it
// is opened. acknowledged returns how many bytes of it are acknowledged: nothing behind that is
// ever in a checkpoint.
func NewKeeper(dir string, loaded Loaded, acknowledged func() int64, log *slog.Logger) *Keeper {
	follower := journal.FollowFrom(dir, loaded.End)
	follower.Short = shorten
	return &Keeper{
		dir: dir, acknowledged: acknowledged, log: log, asked: make(chan chan<- struct{}), worth: keepBytes,
		wished: make(chan struct{}, 1),
		past:   loaded.Past.clone(), follower: follower, covered: loaded.From.Bytes,
		spared: loaded.From, whole: loaded.File == File,
		sync: func(at journal.Mark) error { return at.Sync(dir) }, busy: make(chan struct{}, 1),
	}
}

// clone returns a Past that shares nothing with r but what never changes.
func (r *Past) clone() *Past {
	c, _ := pastOf(r.form(journal.Mark{}))
	for n, s := range r.Sessions {
		copied := *s
		copied.Writes, copied.Reads = s.Writes.Clone(), s.Reads.Clone()
		c.Sessions[n] = &copied
	}
	return c
}

// Run keeps checkpoints until ctx is done. What goes wrong is logged, and costs no more than the
// checkpoint.
func (k *Keeper) Run(ctx context.Context) {
	if k == nil {
		return
	}
	defer k.follower.Close() // read only: nothing can be lost
	again := time.NewTicker(keepEvery)
	defer again.Stop()
	verified := make(chan struct{})
	go func() { // ends with ctx
		defer close(verified)
		k.verify(ctx)
	}()
	defer func() { <-verified }()
	for {
		var err error
		select {
		case <-again.C:
			if k.acknowledged()-k.covered >= max(k.worth, keepShare*k.took) {
				err = k.keep(ctx, true)
			}
		case <-k.wished:
			if k.acknowledged()-k.covered >= min(k.worth, askedBytes) {
				err = k.keep(ctx, true)
			}
		case answer := <-k.asked:
			if k.acknowledged()-k.covered >= min(k.worth, askedBytes) {
				err = k.keep(ctx, false)
			}
			close(answer)
		case <-ctx.Done():
			return
		}
		if err != nil && ctx.Err() == nil {
			k.log.Warn("no more checkpoints of the journal are made: the next supervisor reads what follows "+
				"the last one", "error", err)
			k.idle(ctx)
			return
		}
	}
}

// verify reads what a checkpoint has spared, leaving the processors alone for as long as each
// segment took.
func (k *Keeper) verify(ctx context.Context) {
	began := time.Now()
	err := journal.Verify(k.dir, k.spared, func() error {
		pause(ctx, time.Since(began))
		began = time.Now()
		return ctx.Err()
	})
	switch {
	case err == nil || ctx.Err() != nil:
	case errors.Is(err, journal.ErrCorrupt) && k.Damaged != nil:
		k.Damaged(err)
	default:
		k.log.Warn("what a checkpoint spared this supervisor cannot be read", "error", err)
	}
}

// idle answers those who ask for checkpoints when there are no more.
func (k *Keeper) idle(ctx context.Context) {
	for {
		select {
		case answer := <-k.asked:
			close(answer)
		case <-ctx.Done():
			return
		}
	}
}

// Now has a checkpoint made of all that is acknowledged, if there is much that the newest does
// not cover, and returns when it is there or could not be made, or when ctx is done.
func (k *Keeper) Now(ctx context.Context) {
	if k == nil {
		return
	}
	answer := make(chan struct{})
	select {
	case k.asked <- answer:
	case <-ctx.Done():
		return
	}
	select {
	case <-answer:
	case <-ctx.Done():
	}
}

// Wish has a checkpoint made as Now does, soon, and waits for nothing.
func (k *Keeper) Wish() {
	if k == nil {
		return
	}
	select {
	case k.wished <- struct{}{}:
	default: // one is on its way, of more than there is now
	}
}

// Hold lets no further checkpoint be written until Release, and waits for the one that is. It
// returns false when ctx is done before that.
func (k *Keeper) Hold(ctx context.Context) bool {
	if k == nil {
		return true
	}
	select {
	case k.busy <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// Release ends a Hold.
func (k *Keeper) Release() {
	if k != nil {
		<-k.busy
	}
}

// keep folds what is acknowledged, sparing the processors if that is wanted, and writes a
// checkpoint. It returns an error if no further one can be made.
func (k *Keeper) keep(ctx context.Context, sparing bool) error {
	end := k.acknowledged()
	for k.follower.At().Bytes < end {
		began, from := time.Now(), k.follower.At().Bytes
		_, err := k.follower.Next(min(foldBytes, end-from), k.past.Add)
		if err != nil {
			return err
		}
		if k.follower.At().Bytes == from {
			return fmt.Errorf("the journal has %d bytes, and its end cannot be read from byte %d on", end, from)
		}
		if sparing {
			pause(ctx, time.Since(began))
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	at := k.follower.At()
	if at.Bytes == k.covered || at.Bytes > k.acknowledged() {
		return nil // there is one; or the next look finds the record acknowledged
	}
	if !k.Hold(ctx) {
		return ctx.Err()
	}
	k.covered = at.Bytes // there is no other try at this place
	err := k.write(at)
	k.Release()
	switch {
	case err == nil:
		if n := k.trouble.Over(); n > 0 {
			k.log.Info("checkpoints of the journal are made again", "missed", n)
		}
	case k.trouble.Failed(err):
		k.log.Warn("no checkpoint of the journal is made now", "error", err)
	}
	return nil
}

// pause waits, but no longer than ctx.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// write writes the checkpoint behind a mark, unless the disk's space is needed for better.
func (k *Keeper) write(at journal.Mark) error {
	var free unix.Statfs_t
	if err := unix.Statfs(k.dir, &free); err != nil {
		return fmt.Errorf("looking for space: %w", err)
	}
	// It is encoded twice, so that it is never in memory as a whole.
	var size counter
	if err := encode(&size, k.past, at); err != nil {
		return err
	}
	if int64(size) > int64(free.Bavail)*free.Bsize/freeShare {
		return errNoSpace
	}
	// Records that the journal does not sync may be lost with the machine, and those before them as
	// well as the last: what a checkpoint spares must be there.
	if err := k.sync(at); err != nil {
		return err
	}
	if err := write(k.dir, k.past, at, k.whole); err != nil {
		return err
	}
	k.whole = true
	k.took = int64(size)
	k.log.Debug("checkpoint of the journal made", "journal_bytes", at.Bytes, "bytes", k.took)
	return nil
}

// counter counts what is written to it.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
