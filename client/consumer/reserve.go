package consumer

import (
	"errors"
	"fmt"
	"time"
)

// reserveBytes is how much one writer writes at most between two looks at the free
// space.
const reserveBytes = 256 << 20

// errReserve ends the work whatever is to be done about other failures.
var errReserve = errors.New("the space kept in reserve would be used")

// reserve looks after the free space of the file system, for one writer. It looks at
// the beginning of each file, after each reserveBytes and after each interval, and
// asks for room for what will be written until the next look. Several writers look on
// their own, so each of them may use up to that much more.
type reserve struct {
	bytes    uint64 // to be left free; 0 looks at nothing
	interval time.Duration
	disk     disk
	rotation *rotation // which may have files on their way out
	stop     <-chan struct{}

	seen    time.Duration // when it was looked at last
	written uint64        // since then
	grows   bool          // the file in progress takes new space
}

// begin looks at the space for a file of that size, of which the file system has some
// already.
func (r *reserve) begin(size, has uint64, preallocated bool, now time.Duration) error {
	r.grows = size > has
	if !r.grows {
		return nil
	}
	need := size - has
	if !preallocated {
		need = min(need, reserveBytes)
	}
	return r.look(need, now)
}

// wrote notes progress, and looks if it is time. rest is what the file still lacks.
func (r *reserve) wrote(bytes, rest uint64, now time.Duration) error {
	r.written += bytes
	if r.bytes == 0 || !r.grows || r.written < reserveBytes && now-r.seen < r.interval {
		return nil
	}
	return r.look(min(rest, reserveBytes), now)
}

func (r *reserve) look(need uint64, now time.Duration) error {
	if r.bytes == 0 {
		return nil
	}
	r.seen, r.written = now, 0
	free, err := r.disk.free()
	if err == nil && !r.holds(free, need) && r.rotation.settle(r.stop) {
		free, err = r.disk.free()
	}
	if err != nil || r.holds(free, need) || isClosed(r.stop) {
		return err
	}
	return fmt.Errorf("%w: %d B are free, %d B of them are kept in reserve, and %d B are to be written", errReserve, free, r.bytes, need)
}

func (r *reserve) holds(free, need uint64) bool { return free >= need && free-need >= r.bytes }
