package consumer

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

const (
	// claimBytes is the most that a writer claims beforehand, and writes between two looks.
	claimBytes = 256 << 20
	// claimShare is the part of the space there is that a writer takes before it looks again:
	// other consumers may each do so at the same time.
	claimShare = 256
)

// errReserve ends the work whatever is to be done about other failures.
var errReserve = errors.New("the space kept in reserve would be used")

// reserve looks after the free space of the file system, for all writers of a consumer.
// Each claims the space for what it is about to write before it looks whether there is
// enough for all that is claimed, so two that look at the same time do not both take the
// last of it. Other consumers are seen by what they wrote: the less is free, the more often
// a writer looks.
type reserve struct {
	bytes    uint64 // to be left free; 0 looks at nothing
	interval time.Duration
	disk     disk
	rotation *rotation // which may have files on their way out
	stop     <-chan struct{}

	claimed atomic.Uint64 // by all writers, and not written yet
}

// claim is what one writer has claimed. It belongs to the writer.
type claim struct {
	*reserve
	gauge *gauge

	left   uint64        // claimed and not written yet
	grows  bool          // the file in progress takes new space
	fresh  bool          // all that is written of it does
	seen   time.Duration // when the free space was looked at last
	budget uint64        // bytes until it is looked at again
}

// begin claims the space for a file of that size, of which the file system has some
// already.
func (c *claim) begin(size, has uint64, preallocated bool, now time.Duration) error {
	c.grows, c.fresh = size > has, has == 0
	if !c.grows || c.bytes == 0 {
		return nil
	}
	need := size - has
	if !preallocated {
		need = min(need, claimBytes)
	}
	c.set(need)
	if need <= c.budget && now-c.seen < c.interval {
		return nil
	}
	return c.look(now)
}

// allocated says that the file has the space that was claimed for it. It looks again: other
// consumers may have had theirs allocated at the same time.
func (c *claim) allocated(now time.Duration) error {
	if !c.grows || c.bytes == 0 {
		return nil
	}
	c.end()
	return c.look(now)
}

// wrote notes progress, and looks if it is time. rest is what the file still lacks.
func (c *claim) wrote(bytes, rest uint64, now time.Duration) error {
	if !c.grows || c.bytes == 0 {
		return nil
	}
	left := min(c.left, rest)
	if c.fresh {
		left = min(left, c.left-min(c.left, bytes))
	}
	c.set(left)
	c.budget -= min(c.budget, bytes)
	if rest == 0 {
		return nil
	}
	if left == 0 {
		c.set(min(rest, claimBytes))
	} else if c.budget > 0 && now-c.seen < c.interval {
		return nil
	}
	return c.look(now)
}

// end gives up what is claimed and was not written.
func (c *claim) end() {
	c.grows = false
	c.set(0)
}

// set changes what is claimed.
func (c *claim) set(bytes uint64) {
	c.claimed.Add(bytes - c.left) // which may wrap around, as it should
	c.left = bytes
}

// look returns an error if there is not enough space for all that is claimed.
func (c *claim) look(now time.Duration) error {
	room, free, err := c.room()
	if err == nil && room < 0 && c.rotation.settle(c.stop) {
		room, free, err = c.room()
	}
	c.seen, c.budget = now, min(uint64(max(room, 0))/claimShare, claimBytes)
	if err != nil || room >= 0 || isClosed(c.stop) {
		return err
	}
	return fmt.Errorf("%w: %d B are free, %d B of them are kept in reserve, and %d B are to be written", errReserve, free, c.bytes, c.claimed.Load())
}

// room returns how much space there is beyond the reserve and what is claimed, which may be
// less than none, and how much is free.
func (c *claim) room() (room int64, free uint64, err error) {
	_, err = c.gauge.call(func() (err error) { free, err = c.disk.free(); return err })
	const most = 1 << 62
	room = int64(min(free, most)) - int64(min(c.bytes, most/2)) - int64(min(c.claimed.Load(), most/2))
	return room, free, err
}
