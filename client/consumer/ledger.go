package consumer

import (
	"errors"
	"sync"
	"time"

	"bulkhead/internal/latency"
	"bulkhead/internal/pathname"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// phase is a part of writing files of which the times are kept.
type phase int

const (
	phaseWrite phase = iota
	phaseCreate
	phaseSync
	phaseClose
	phaseUnlink
	phaseResponse
	phaseRead
	phaseReadResponse
	phases
)

// ledger is the account of the work done since the last Progress. The writers
// enter, the reporter takes. A writer never waits for longer than it takes to enter
// something, or to swap two pointers.
type ledger struct {
	mu      sync.Mutex
	current *tally // guarded by mu
	spare   *tally // empty; of the reporter alone
	// since is when the interval began, and rested when writing ended, zero before; what is
	// done beyond that is in an interval of no length. Both guarded by mu.
	since, rested time.Time
	// writers is how many there are, and paused how many of them have nothing to write. Both
	// guarded by mu.
	writers, paused int
	// warming says that the interval is of the warm-up, and warmed that this is the last such one.
	// Both guarded by mu.
	warming, warmed bool
	// others is how many other clients files were read of, and hosts how many other hosts those run on.
	// Both guarded by mu.
	others, hosts uint32
	// stage is the number of the stage that the interval is of, 0 without stages, and unreported says
	// that it is in no figure. Both guarded by mu.
	stage      uint32
	unreported bool
}

// tally is the work of one interval.
type tally struct {
	bytes     uint64
	chunks    uint64
	errors    uint64
	unread    uint64 // of errors, those of reading back
	lastError string
	verified  uint64 // bytes read back
	cached    uint64 // of these, those that may have come from a cache
	corrupt   uint64 // blocks
	reads     reads
	times     [phases]times
}

// reads is what readers did beside the writers.
type reads struct {
	bytes, operations uint64
	errors            uint64        // of tally.errors and tally.unread
	verified          uint64        // bytes that were compared
	told, cached      uint64        // bytes of which the system told whether the page cache had them, and that it had
	gone              uint64        // files of others, before they were read to the end
	waited            time.Duration // for files of others
}

// times collects how long something took: a Recorder, which costs the same however
// much is recorded, or fewTimes.
type times interface {
	RecordN(d time.Duration, n uint64)
	Take() *latency.Histogram
}

// fewTimes are the times of what is done for each file: collecting a few is cheap, and
// so is taking them.
type fewTimes struct{ histogram *latency.Histogram }

func (f *fewTimes) RecordN(d time.Duration, n uint64) {
	f.histogram.Add(max(d, latency.MinRecorded), n)
}

func (f *fewTimes) Take() *latency.Histogram {
	taken := f.histogram
	f.histogram = new(latency.Histogram)
	return taken
}

func newLedger() *ledger { return &ledger{current: newTally(), spare: newTally(), since: time.Now()} }

func newTally() *tally {
	t := new(tally)
	for _, often := range []phase{phaseWrite, phaseSync, phaseResponse, phaseRead, phaseReadResponse} {
		t.times[often] = latency.NewRecorder() // takes memory from its first record on
	}
	for _, seldom := range []phase{phaseCreate, phaseClose, phaseUnlink} {
		t.times[seldom] = &fewTimes{new(latency.Histogram)}
	}
	return t
}

// begin begins the first interval anew: so many writers begin, with a warm-up or not.
func (l *ledger) begin(writers int, warming bool) {
	l.mu.Lock()
	l.since, l.writers, l.warming = time.Now(), writers, warming
	l.mu.Unlock()
}

// endWarmup makes the interval that the next take ends the last one of the warm-up.
func (l *ledger) endWarmup() {
	l.mu.Lock()
	l.warmed = true
	l.mu.Unlock()
}

// enter begins an interval anew, of the stage of that number, after what was before it was taken.
func (l *ledger) enter(stage uint32, unreported bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.since, l.rested = time.Now(), time.Time{}
	l.stage, l.unreported = stage, unreported
}

// pause notes that one writer has nothing left to write. When none has, writing has ended.
func (l *ledger) pause() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.paused++; l.paused == l.writers {
		l.rested = time.Now()
	}
}

// resume notes that a writer that paused has something to write again.
func (l *ledger) resume() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.paused == l.writers {
		if now := time.Now(); l.since.Before(l.rested) {
			l.since = l.since.Add(now.Sub(l.rested)) // what was written before the pause is not taken yet
		} else {
			l.since = now
		}
		l.rested = time.Time{}
	}
	l.paused--
}

// rest ends the last interval, if that has not ended: the writers have ended, or their stage has.
func (l *ledger) rest() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.rested.IsZero() {
		l.rested = time.Now()
	}
}

// wrote enters one whole chunk, and how long the kernel took for it.
func (l *ledger) wrote(bytes int, took time.Duration) {
	l.mu.Lock()
	l.current.bytes += uint64(bytes)
	l.current.chunks++
	l.current.times[phaseWrite].RecordN(took, 1)
	l.mu.Unlock()
}

// wroteSome enters the bytes of a chunk that could not be completed.
func (l *ledger) wroteSome(bytes int) {
	l.mu.Lock()
	l.current.bytes += uint64(bytes)
	l.mu.Unlock()
}

// took enters how long something other than a write took.
func (l *ledger) took(p phase, time time.Duration) { l.tookN(p, time, 1) }

// tookN enters that for n of them.
func (l *ledger) tookN(p phase, time time.Duration, n uint64) {
	l.mu.Lock()
	l.current.times[p].RecordN(time, n)
	l.mu.Unlock()
}

// errVerify is wrapped by failures of reading back, which say nothing of writing.
var errVerify = errors.New("verify")

// failed enters a failed operation.
func (l *ledger) failed(err error) {
	text := pathname.Text(err.Error())
	l.mu.Lock()
	l.current.errors++
	reader := errors.Is(err, errReader)
	if reader || errors.Is(err, errVerify) {
		l.current.unread++
	}
	if reader {
		l.current.reads.errors++
	}
	l.current.lastError = text
	l.mu.Unlock()
}

// verified enters bytes that were read back and compared, and how many of them may have
// come from a cache.
func (l *ledger) verified(bytes, cached uint64) {
	l.mu.Lock()
	l.current.verified += bytes
	l.current.cached += cached
	l.mu.Unlock()
}

// read enters one read of a reader, how long the kernel took for it, and, unless it is negative, its
// response time: all at once, because what a Progress says of reads has to fit together.
func (l *ledger) read(one reads, took, response time.Duration) {
	l.mu.Lock()
	r := &l.current.reads
	r.bytes += one.bytes
	r.operations += one.operations
	r.verified += one.verified
	r.told += one.told
	r.cached += one.cached
	l.current.times[phaseRead].RecordN(took, 1)
	if response >= 0 {
		l.current.times[phaseReadResponse].RecordN(response, 1)
	}
	l.mu.Unlock()
}

// readGone enters a file of another client that was gone before it was read to the end.
func (l *ledger) readGone() {
	l.mu.Lock()
	l.current.reads.gone++
	l.mu.Unlock()
}

// readWaited enters how long a reader waited for a file of another client.
func (l *ledger) readWaited(d time.Duration) {
	l.mu.Lock()
	l.current.reads.waited += d
	l.mu.Unlock()
}

// readOf enters how many other clients files were read of so far, and how many other hosts those run on.
func (l *ledger) readOf(clients, hosts uint32) {
	l.mu.Lock()
	l.others, l.hosts = max(l.others, clients), max(l.hosts, hosts)
	l.mu.Unlock()
}

// corrupt enters blocks that did not read back as they were written.
func (l *ledger) corrupt(blocks uint64) {
	l.mu.Lock()
	l.current.corrupt += blocks
	l.mu.Unlock()
}

// take returns what was entered since the last take, and when that interval ended, and
// begins the next one. Only the reporter may call it.
func (l *ledger) take() (*bulkheadv1.Progress, time.Time) {
	now := time.Now()
	l.mu.Lock()
	taken, warming, stage := l.current, l.warming || l.unreported, l.stage
	l.current = l.spare
	l.warming = l.warming && !l.warmed
	interval := now.Sub(l.since)
	switch {
	case l.rested.IsZero():
		l.since = now
	case l.since.Before(l.rested):
		now, interval, l.since = l.rested, l.rested.Sub(l.since), l.rested
	default:
		interval = 0
	}
	others, hosts := l.others, l.hosts
	l.mu.Unlock()

	progress := &bulkheadv1.Progress{
		IntervalNano: int64(interval),
		Warmup:       warming,
		Stage:        stage,
		Bytes:        taken.bytes,
		Chunks:       taken.chunks,
		Errors:       taken.errors,
		LastError:    taken.lastError,
		VerifyErrors: taken.unread,

		VerifiedBytes:       taken.verified,
		VerifiedCachedBytes: taken.cached,
		CorruptBlocks:       taken.corrupt,

		ChunkWrite: taken.times[phaseWrite].Take().Proto(),
		Create:     taken.times[phaseCreate].Take().Proto(),
		Sync:       taken.times[phaseSync].Take().Proto(),
		Close:      taken.times[phaseClose].Take().Proto(),
		Unlink:     taken.times[phaseUnlink].Take().Proto(),
		Response:   taken.times[phaseResponse].Take().Proto(),

		ReadBytes:         taken.reads.bytes,
		Reads:             taken.reads.operations,
		ReadErrors:        taken.reads.errors,
		ReadVerifiedBytes: taken.reads.verified,
		ReadToldBytes:     taken.reads.told,
		ReadCachedBytes:   taken.reads.cached,
		ReadGoneFiles:     taken.reads.gone,
		ReadWaitedNano:    int64(taken.reads.waited),
		Read:              taken.times[phaseRead].Take().Proto(),
		ReadResponse:      taken.times[phaseReadResponse].Take().Proto(),

		ReadNeighbours: others, ReadNeighbourHosts: hosts,
	}
	l.spare = &tally{times: taken.times}
	return progress, now
}
