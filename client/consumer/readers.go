package consumer

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"bulkhead/client/block"
	"bulkhead/client/consumer/disk"
	"bulkhead/client/neighbour"
	"bulkhead/client/verify"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// readers is what the readers of a job share. They read from when there is a finished file until
// the end of the load has begun.
type readers struct {
	task     *task
	disk     disk.Disk
	gauges   []*gauge // of each
	ledger   *ledger
	rotation *rotation
	ending   *ending
	verifier *verifier             // which says what is corrupt
	failed   func(error)           // counts a failure, and ends the job if it is to end then
	pace     *pace                 // nil without a rate
	started  sync.Once             // the schedule has begun
	pick     func(n uint64) uint64 // a file of so many; nil takes them in turn
	size     int                   // of a read
	memory   []byte                // to read into, page-aligned
	others   *others               // whose files are read; nil of the consumer's own
	running  sync.WaitGroup
	watching sync.WaitGroup
	ended    time.Time // when all had ended; valid once nobody watches
}

func newReaders(j *job) *readers {
	rs := &readers{
		task: j.task, disk: j.disk, gauges: j.gauges[j.task.writers+2:], ledger: j.ledger, rotation: j.rotation,
		ending: j.ending, verifier: j.verifier, failed: j.fail, pace: newReadPace(j.task), size: j.task.readSize,
	}
	switch {
	case len(rs.gauges) == 0:
	case j.task.neighbours():
		rs.others = &others{flawed: make(map[block.File]*content)}
	default:
		j.rotation.whole = j.task.wholeContent
	}
	if j.task.read.GetPattern() == bulkheadv1.Pattern_PATTERN_RANDOM {
		rs.pick = rand.Uint64N
	}
	return rs
}

// room returns how much each reader has of the memory, in whole pages.
func (rs *readers) room() int { return (rs.size + 4095) &^ 4095 }

// open prepares reading. The caller must close the readers.
func (rs *readers) open() (err error) {
	if len(rs.gauges) == 0 {
		return nil
	}
	rs.memory, err = unix.Mmap(-1, 0, rs.room()*len(rs.gauges), unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return fmt.Errorf("mapping memory for readers: %w", err)
	}
	if rs.others == nil {
		return nil
	}
	site, user, err := rs.disk.Site()
	if err != nil {
		return fmt.Errorf("opening the folder of all clients: %w", err)
	}
	rs.others.search = neighbour.NewSearch(site, user, rs.task.owner)
	return nil
}

// close gives the memory back, when no reader runs.
func (rs *readers) close() error {
	if rs.memory == nil {
		return nil
	}
	err := unix.Munmap(rs.memory)
	rs.memory = nil
	if rs.others != nil && rs.others.search != nil {
		err = errors.Join(err, rs.others.search.Close())
	}
	return err
}

// start lets the readers read, by the clock that began at start.
func (rs *readers) start(start time.Time, nap func(time.Duration)) {
	for i, g := range rs.gauges {
		clock := newClock(start, rs.ending, nap)
		clock.due = rs.ending.begun
		r := &reader{
			readers: rs, gauge: g, clock: clock, random: rand.New(rand.NewPCG(randomWord(), randomWord())),
			buffer: rs.memory[i*rs.room():][:rs.room()],
		}
		r.shelf = rs.shelf(r)
		rs.running.Go(r.run) // by the end, unless a read is stuck
	}
	rs.watching.Go(func() { // by the end of the readers
		rs.running.Wait()
		rs.ended = time.Now()
	})
}

// wait waits until all readers have ended, and enters what was due and was not read. It was waited for
// until they ended: writers may take longer to finish their files.
func (rs *readers) wait(start time.Time) {
	rs.watching.Wait()
	begun := true
	rs.started.Do(func() { begun = false }) // there never was a file
	if rs.pace == nil || !begun {
		return
	}
	rs.pace.overdue(rs.ending.begunAt().Sub(start), rs.ended.Sub(start), func(waited time.Duration, n uint64) {
		rs.ledger.tookN(phaseReadResponse, waited, n)
	})
}

// checkRead returns an error if what the task says of reading cannot be done with O_DIRECT in
// multiples of unit.
func (t *task) checkRead(unit int) error {
	if t.mode.Direct && t.read.GetReaders() > 0 && t.readSize%unit != 0 {
		return fmt.Errorf("direct with reads of %d B: this file system takes multiples of %d B (%s)", t.readSize, unit,
			t.folder)
	}
	return nil
}

// errReader is wrapped by what readers fail at, which says nothing of writing.
var errReader = errors.New("reader")

// askAlways is the size of reads from which each is asked of the page cache before it; of smaller
// ones one in askOne is, at random, because asking takes about as long as a small read.
const (
	askAlways = 128 << 10
	askOne    = 16
)

// reader reads finished files beside the writers: one after the other from the beginning to the
// end, or in a random one as often as it has room for, anywhere, then in the next. It belongs to
// one goroutine, and has at most one file at a time.
type reader struct {
	*readers
	shelf   shelf // which has the files
	gauge   *gauge
	clock   *clock
	buffer  []byte // page-aligned
	random  *rand.Rand
	checker *block.Checker // nil unless what is read is compared
	scratch []block.Fault
	yielder

	held   *lease // nil without a file
	file   disk.Reading
	last   *lease // of which it had the file before
	at     uint64 // how often it has read in the file
	places uint64 // how often it reads in it
}

// run reads until the end has begun. After a failure it pauses, for longer each time in a row.
func (r *reader) run() {
	defer r.letGo()
	failures := 0
	for !r.ending.hasBegun() {
		more, err := r.step()
		if err == nil {
			failures = 0
			if !more {
				return
			}
			continue
		}
		r.failed(fmt.Errorf("%w: %w", errReader, err))
		r.letGo()
		failures++
		began := r.clock.now()
		r.ending.pause(retry.After(failures, 0))
		r.forgive(began)
	}
}

// forgive takes the time since began from what the schedule is behind.
func (r *reader) forgive(began time.Duration) {
	if now := r.clock.now(); r.pace != nil {
		r.pace.forgive(now-began, now)
	}
}

// step makes one read, when it is due. It returns false when the end has begun.
func (r *reader) step() (more bool, err error) {
	if more, err := r.take(); !more || err != nil {
		return more, err
	}
	if r.pace == nil {
		return true, r.read(0)
	}
	r.started.Do(func() { r.pace.begin(r.clock.now()) }) // before there was a file nothing was due
	due := r.pace.book(r.size)
	if wait := due - r.clock.now(); wait > timerGrain {
		r.letGo() // nobody who wants to remove the file waits for a read that is not due
	}
	if !r.clock.until(due) {
		return false, nil
	}
	if more, err := r.take(); !more || err != nil {
		return more, err
	}
	return true, r.read(due)
}

// take makes sure that there is an open file to read in that nobody wants. It returns false when
// the end has begun.
func (r *reader) take() (more bool, err error) {
	if r.held != nil && !r.held.revoked.Load() && r.at < r.places {
		return true, nil
	}
	r.letGo()
	for skipped := 0; ; skipped++ {
		more, err = r.next()
		if err == nil || !r.shelf.gone(err) {
			return more, err
		}
		r.skip()
		began := r.clock.now()
		r.ending.pause(retry.After(skipped, 0)) // a list may tell of files that nobody has for long
		r.forgive(began)
	}
}

// next opens the file that was read in last, if there is more to do in it, or another one.
func (r *reader) next() (more bool, err error) {
	if r.last != nil && r.at < r.places {
		r.held = r.shelf.again(r.last)
	}
	if r.held == nil {
		began := r.clock.now()
		r.at = 0
		if r.held, err = r.shelf.lease(); r.held == nil {
			return err != nil, err
		}
		r.forgive(began) // there was none to read
	}
	r.last = r.held
	target := &r.held.content.target
	r.places = (target.Written-1)/uint64(r.size) + 1
	_, err = r.gauge.call(func() (err error) { r.file, err = r.shelf.open(r.held); return err })
	if err != nil {
		r.at = r.places // another one next time
		return true, err
	}
	if r.task.compares() {
		r.checker, err = block.NewChecker(target.File)
	}
	return true, err
}

// skip notes that a file was gone before it was read to the end, and lets go of it.
func (r *reader) skip() {
	r.ledger.readGone()
	r.at = r.places
	r.letGo()
}

// letGo closes the file, if there is one, and gives its lease back.
func (r *reader) letGo() {
	if r.file != nil {
		if _, err := r.gauge.call(r.file.Close); err != nil {
			r.failed(fmt.Errorf("%w: %w", errReader, err))
		}
		r.file = nil
	}
	if r.held != nil {
		r.shelf.release(r.held)
		r.held = nil
	}
}

// read makes one read, which with a rate was due then, and compares what it read if that is asked
// for. It allocates nothing, unless something is wrong.
func (r *reader) read(due time.Duration) error {
	written := r.held.content.target.Written
	offset := r.at * uint64(r.size)
	if r.pick != nil {
		offset = r.random.Uint64N(r.places) * uint64(r.size)
	}
	r.at++
	want := int(min(uint64(r.size), written-offset))
	buffer := r.buffer[:r.size]
	if !r.task.mode.Direct {
		buffer = r.buffer[:want]
	}
	told, cached := r.ask(offset, uint64(want))
	start := r.gauge.enter()
	n, err := r.file.Read(buffer, offset)
	took := r.gauge.leave(start)
	if err != nil {
		if r.shelf.gone(err) {
			r.skip()
			return nil
		}
		return err
	}
	n = min(n, want)
	now := r.clock.now()
	r.yield(now)
	one := reads{bytes: uint64(n), operations: 1, told: min(told, uint64(n)), cached: min(cached, uint64(n))}
	void := false
	if r.checker != nil {
		if void = !r.compare(offset, want, buffer[:n]); !void {
			one.verified = one.bytes
		}
	}
	response := time.Duration(-1)
	if r.pace != nil {
		response = now - due
	}
	r.ledger.read(one, took, response)
	if void {
		r.skip()
		return nil
	}
	if r.checker == nil && n < want {
		return fmt.Errorf("read %s: it ends at %d B, and has had %d B", r.verifier.path(r.held.content),
			offset+uint64(n), written)
	}
	return nil
}

// ask returns of how many bytes of the next read the system tells whether they are in the page
// cache, and how many are.
func (r *reader) ask(offset, length uint64) (told, cached uint64) {
	if length < askAlways && r.random.Uint32N(askOne) != 0 {
		return 0, 0
	}
	_, _ = r.gauge.call(func() error {
		var known bool
		if cached, known = r.file.Cached(offset, length); known {
			told = length
		}
		return nil
	})
	return told, cached
}

// compare compares what was read at offset with what should be there, which is so many bytes. It
// returns false if that means nothing, because the file is being written over or was removed.
func (r *reader) compare(offset uint64, want int, data []byte) bool {
	r.scratch = r.checker.Check(r.scratch[:0], offset, data)
	if n := len(data); n < want {
		r.scratch = append(r.scratch, block.Fault{
			Offset: offset + uint64(n), Length: uint64(want - n), Blocks: uint64(want-n-1)/block.Size + 1,
			Damage:   block.Truncated,
			Expected: r.checker.Name((offset + uint64(n)) / block.Size * block.Size),
			Found:    fmt.Sprintf("the end of the file, at %d B", offset+uint64(n)),
		})
	}
	if len(r.scratch) == 0 {
		return true
	}
	if r.shelf.void(r.held) {
		return false
	}
	result := verify.Result{Faults: r.scratch}
	for _, f := range r.scratch {
		result.Corrupt += f.Blocks
	}
	r.shelf.remember(r.held)
	r.verifier.say(r.held.content, result)
	return true
}
