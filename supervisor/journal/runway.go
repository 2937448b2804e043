package journal

import "sync"

const (
	// runwayLeast and runwayMost bound how many bytes of zeros lie before the writer; between
	// them it is as long as the segment is already, so that a small run takes little.
	runwayLeast = 64 << 10
	runwayMost  = 1 << 20
	// runwayStep is how much is zeroed in one go: the writer, if it wants to write there, waits for
	// that and no longer.
	runwayStep = 64 << 10
	// runwayGroup is the average group, in bytes, from which on nothing is zeroed: writing
	// twice would cost more than one fsync for so much saves.
	runwayGroup = 16 << 10
)

// runway is the zeros that are written, and synced, into the segment before the writer gets
// there. Overwriting a block is half as long on its way to the disk as growing a file, because the
// file system has nothing of its own to write. A goroutine, lay, lays them; the writer never waits
// for a disk because of them, and when they are not there, or cannot be written, it grows the
// segment.
//
// They are no part of the journal: behind the last record of the last segment any number of
// zeros, and nothing else, is a clean end. The writer cuts them off where it lets go of a segment.
type runway struct {
	limit   int64         // no zeros are written behind this offset
	average int64         // bytes of a group; the writer's
	started bool          // the writer's
	wanted  chan struct{} // has room for one; closed by close
	done    chan struct{} // closed by lay

	// using is held while lay uses a file, and taken before mu.
	using sync.Mutex

	mu   sync.Mutex
	off  bool        // guarded by mu; for good
	file segmentFile // guarded by mu; nil while there is nothing to be zeroed
	used int64       // guarded by mu; up to where the writer has written, or is about to
	end  int64       // guarded by mu; where the zeros end
}

// newRunway returns the runway of a writer with segments of limit bytes. It is off until it is
// started.
func newRunway(limit int64) *runway {
	return &runway{limit: limit, off: true, wanted: make(chan struct{}, 1), done: make(chan struct{})}
}

// start sets lay to work. close ends it.
func (r *runway) start() {
	r.started = true
	r.mu.Lock()
	r.off = false
	r.mu.Unlock()
	go r.lay() // ends when close closes r.wanted, and is awaited there
}

// begin goes over to another segment, of size bytes.
func (r *runway) begin(file segmentFile, size int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.file, r.used, r.end = file, size, size
}

// claim tells the runway that the writer is about to write up to an offset: no more zeros go there.
func (r *runway) claim(to int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.used = max(r.used, to)
}

// wrote tells the runway how long a group was that is written, and durable.
func (r *runway) wrote(bytes int) {
	r.average += (int64(bytes) - r.average) / 8
	if r.average > runwayGroup {
		return
	}
	if !r.mu.TryLock() {
		return // zeros are being written
	}
	defer r.mu.Unlock()
	if r.off || r.file == nil || r.end-r.used > r.length()/2 || r.used >= r.limit {
		return
	}
	select {
	case r.wanted <- struct{}{}:
	default:
	}
}

// length returns how long the zeros should be. mu is held.
func (r *runway) length() int64 { return min(max(r.used, runwayLeast), runwayMost) }

// lay writes zeros whenever they are wanted.
func (r *runway) lay() {
	defer close(r.done)
	for range r.wanted {
		r.extend()
	}
}

// extend makes the runway as long as it should be.
func (r *runway) extend() {
	r.using.Lock()
	defer r.using.Unlock()
	r.mu.Lock()
	file, goal, off := r.file, min(r.used+r.length(), r.limit), r.off
	r.mu.Unlock()
	if file == nil || off {
		return
	}
	for {
		more, err := r.step(file, goal)
		if err != nil {
			r.stop() // a full disk, a quota, a limit: the writer sees the same when it gets there
			return
		}
		if !more {
			break
		}
	}
	if file.SyncZeros() != nil {
		r.stop() // the writer's own sync says so, or not: no record is there
	}
}

// step writes the next zeros, and reports whether there are more to be written before the goal.
func (r *runway) step(file segmentFile, goal int64) (more bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	from := max(r.end, r.used)
	to := min(from+runwayStep, goal)
	if r.off || from >= to {
		return false, nil
	}
	r.end = to // also of those that are only begun
	return to < goal, file.Zero(from, to)
}

// stop lays nothing more, for good.
func (r *runway) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.off = true
}

// leave lets go of the segment: once it returns nothing is written there. It reports whether zeros
// may lie behind an offset.
func (r *runway) leave(size int64) (zeros bool) {
	r.using.Lock()
	defer r.using.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.file = nil
	return r.end > size
}

// close ends lay, if it was started. The writer wants nothing more then.
func (r *runway) close() {
	close(r.wanted)
	if r.started {
		<-r.done
	}
}
