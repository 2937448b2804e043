package consumer

import (
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"

	"bulkhead/client/consumer/disk"
	"bulkhead/internal/plural"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

const (
	// claimBytes is the most that a writer claims beforehand, and writes between two looks.
	claimBytes = 256 << 20
	// claimFiles is the most files that a writer makes between two looks.
	claimFiles = 1 << 16
	// claimShare is the part of the space there is, and of the inodes, that a writer takes
	// before it looks again: other consumers may each do so at the same time.
	claimShare = 256
)

// errReserve is every reserveReached: it ends the work, in order, whatever is to be done
// about failures.
var errReserve = errors.New("what is kept in reserve would be used")

// reserveReached says that more would take what is kept in reserve.
type reserveReached struct {
	inodes  bool   // of inodes, otherwise of bytes
	free    uint64 // on the file system
	reserve uint64 // of which so much is to stay
	claimed uint64 // is about to be written, or made
}

func (r *reserveReached) Error() string {
	if r.inodes {
		return fmt.Sprintf("%v: %s %s free, %d of them kept in reserve, and %s %s to be made",
			errReserve, plural.Of(r.free, "inode"), plural.Is(r.free), r.reserve, plural.Of(r.claimed, "file"),
			plural.Is(r.claimed))
	}
	return fmt.Sprintf("%v: %d B are free, %d B of them are kept in reserve, and %d B are to be written", errReserve,
		r.free, r.reserve, r.claimed)
}

func (r *reserveReached) Unwrap() error { return errReserve }

// status returns the end of Run, with the numbers as a detail.
func (r *reserveReached) status() error {
	s, err := status.New(codes.OutOfRange, r.Error()).WithDetails(protoadapt.MessageV1Of(&bulkheadv1.ReserveReached{
		Inodes: r.inodes, Free: r.free, Reserve: r.reserve, Claimed: r.claimed,
	}))
	if err != nil {
		return status.Error(codes.OutOfRange, r.Error())
	}
	return s.Err()
}

// reserve looks after the free space and the free inodes of the file system, for all writers
// of a consumer. Each claims what it is about to write, and the file it is about to make,
// before it looks whether there is enough for all that is claimed, so two that look at the
// same time do not both take the last of it. Other consumers are seen by what they wrote: the
// less is free, the more often a writer looks.
type reserve struct {
	bytes    uint64 // to be left free; 0 looks at no bytes
	inodes   uint64 // to be left free; 0 looks at no inodes
	interval time.Duration
	disk     disk.Disk
	rotation *rotation // which may have files on their way out
	stop     <-chan struct{}

	claimed atomic.Uint64 // bytes by all writers, and not written yet
	making  atomic.Uint64 // files that writers are about to make
}

// claim is what one writer has claimed. It belongs to the writer.
type claim struct {
	*reserve
	gauge *gauge

	left   uint64        // claimed and not written yet
	makes  bool          // a file is claimed, and not made yet
	grows  bool          // the file in progress takes new space
	fresh  bool          // all that is written of it does
	seen   time.Duration // when the file system was looked at last; means something once there is a budget
	budget uint64        // bytes until it is looked at again
	files  uint64        // files until it is looked at again
}

// begin claims what a file takes: the space for that size, of which the file system has some
// already, and an inode if it is to be made.
func (c *claim) begin(size, has uint64, makes, preallocated bool, now time.Duration) error {
	c.grows, c.fresh = c.bytes > 0 && size > has, has == 0
	look := false
	if c.grows {
		need := size - has
		if !preallocated {
			need = min(need, claimBytes)
		}
		c.set(need)
		look = need > c.budget
	}
	if makes && c.inodes > 0 {
		c.makes = true
		c.making.Add(1)
		look = look || c.files == 0
		c.files -= min(c.files, 1)
	}
	if !c.grows && !c.makes || !look && now-c.seen < c.interval {
		return nil
	}
	return c.look(now)
}

// made notes that the file that was claimed exists.
func (c *claim) made() {
	if c.makes {
		c.makes = false
		c.making.Add(^uint64(0))
	}
}

// allocated notes that the file has the space that was claimed for it. It looks again: other
// consumers may have had theirs allocated at the same time.
func (c *claim) allocated(now time.Duration) error {
	if !c.grows {
		return nil
	}
	c.end()
	return c.look(now)
}

// wrote notes progress, and looks if it is time. rest is what the file still lacks.
func (c *claim) wrote(bytes, rest uint64, now time.Duration) error {
	if !c.grows {
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

// end gives up what is claimed and was not written, or made.
func (c *claim) end() {
	c.made()
	c.grows = false
	c.set(0)
}

// set changes what is claimed.
func (c *claim) set(bytes uint64) {
	c.claimed.Add(bytes - c.left) // which may wrap around, as it should
	c.left = bytes
}

// look returns a reserveReached if there is not enough for all that is claimed.
func (c *claim) look(now time.Duration) error {
	reached, err := c.room()
	if reached != nil && c.rotation.settle(c.stop) {
		reached, err = c.room()
	}
	c.seen = now
	if err != nil || reached == nil || isClosed(c.stop) {
		return err
	}
	return reached
}

// room finds out how much there is beyond the reserve and what is claimed, and sets by it when
// to look again.
func (c *claim) room() (*reserveReached, error) {
	var free disk.Space
	_, err := c.gauge.call(func() (err error) { free, err = c.disk.Free(); return err })
	c.budget, c.files = 0, 0
	if err != nil {
		return nil, err
	}
	if c.bytes > 0 {
		room, ok := beyond(free.Bytes, c.bytes, c.claimed.Load())
		if !ok {
			return &reserveReached{free: free.Bytes, reserve: c.bytes, claimed: c.claimed.Load()}, nil
		}
		c.budget = min(room/claimShare, claimBytes)
	}
	if c.inodes > 0 && free.Inodes != math.MaxUint64 {
		room, ok := beyond(free.Inodes, c.inodes, c.making.Load())
		if !ok {
			return &reserveReached{inodes: true, free: free.Inodes, reserve: c.inodes, claimed: c.making.Load()}, nil
		}
		c.files = min(room/claimShare, claimFiles)
	} else {
		c.files = claimFiles
	}
	return nil, nil
}

// beyond returns what is free beyond the reserve and what is claimed; not ok if that is less
// than nothing.
func beyond(free, reserve, claimed uint64) (room uint64, ok bool) {
	if free < reserve || free-reserve < claimed {
		return 0, false
	}
	return free - reserve - claimed, true
}
