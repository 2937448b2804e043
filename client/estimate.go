package client

import (
	"errors"
	"fmt"
	"strings"
	"time"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// timing is what writing a few chunks took.
type timing struct {
	// chunkBytes were written in chunk, the fastest of the chunks.
	chunkBytes uint64
	chunk      time.Duration
	// syncBytes were forced to storage in sync; 0 if that was not tried.
	syncBytes uint64
	sync      time.Duration
}

// syncScaleBytes is from how many bytes on the time of a sync is taken to grow with
// them; with fewer, most of it does not depend on them.
const syncScaleBytes = 8 << 20

// rate is the speed of writing alone, in bytes per second.
func (t timing) rate() float64 {
	return float64(t.chunkBytes) / max(t.chunk, 1).Seconds()
}

// fileSeconds is how long one file of size bytes takes at best.
func (t timing) fileSeconds(size uint64) float64 {
	seconds := float64(size) / t.rate()
	if t.syncBytes > 0 {
		scale := 1.0
		if t.syncBytes >= syncScaleBytes {
			scale = float64(size) / float64(t.syncBytes)
		}
		seconds += t.sync.Seconds() * scale
	}
	return seconds
}

// checkRollovers returns an error if a consumer cannot finish two files in the
// runtime even at the speed of its fastest chunk, with what to change.
func checkRollovers(consumer int, c Consumer, t timing, runtime time.Duration) error {
	two := 2 * t.fileSeconds(c.FileSize)
	if two <= runtime.Seconds() {
		return nil
	}
	rate := 2 * float64(c.FileSize) / two
	advice := fmt.Sprintf("raise runtime to %s", seconds2duration(two*1.1+1).Truncate(time.Second))
	if size := roundDown(uint64(rate * runtime.Seconds() / 2 * 0.9)); size >= c.ChunkSize {
		advice = fmt.Sprintf("lower file_size to %s or %s", sizeText(size), advice)
	}
	return fmt.Errorf("consumer %d: %s files at %s need %s for two, runtime is %s; %s",
		consumer, sizeText(c.FileSize), rateText(rate), durationText(seconds2duration(two)), runtime, advice)
}

// demand is what one consumer may have on its file system at once.
type demand struct {
	consumer int
	path     string
	device   uint64
	bytes    uint64
	reserve  uint64 // to be left free
}

// demandOf is the files that are kept and those being written; when all are kept, what
// the consumer writes in the runtime at the speed of its fastest chunk.
func demandOf(c Consumer, t timing, runtime time.Duration) uint64 {
	if c.KeepFiles > 0 {
		return mul(uint64(c.KeepFiles)+uint64(max(c.Concurrency, 1)), c.FileSize)
	}
	written := t.rate() * runtime.Seconds()
	if written >= 1<<63 {
		return ^uint64(0)
	}
	return add(uint64(written), c.FileSize)
}

// room is how much space a file system has, in bytes, for this user.
type room struct{ free, total uint64 }

// checkSpace adds up the demands on each file system and returns an error for each
// that has too little room.
func checkSpace(demands []demand, rooms map[uint64]room) error {
	var problems []error
	for i, first := range demands {
		var need, reserve uint64
		var names []string
		seen := false
		for j, d := range demands {
			if d.device == first.device {
				seen = seen || j < i
				need, reserve = add(need, d.bytes), max(reserve, d.reserve)
				names = append(names, fmt.Sprint(d.consumer))
			}
		}
		r := rooms[first.device]
		if seen || add(need, reserve) <= r.free {
			continue
		}
		subject := "consumer " + names[0]
		if len(names) > 1 {
			subject = "consumers " + listText(names) + " together"
		}
		problems = append(problems, fmt.Errorf("%s: may write %s at once to %s, which has %s free, %s of it kept in reserve; lower file_size or keep_files (0 keeps all), use another path, or free space",
			subject, sizeText(need), first.path, sizeText(r.free), sizeText(min(reserve, r.free))))
	}
	return errors.Join(problems...)
}

// listText is "1, 2 and 3", shortened for many.
func listText(names []string) string {
	const most = 8
	last := len(names) - 1
	if len(names) > most {
		return strings.Join(names[:most-1], ", ") + ", … and " + names[last]
	}
	return strings.Join(names[:last], ", ") + " and " + names[last]
}

// roundDown rounds a size down to whole MiB or, below that, KiB.
func roundDown(n uint64) uint64 {
	if n >= 1<<20 {
		return n &^ (1<<20 - 1)
	}
	return n &^ (1<<10 - 1)
}

// seconds2duration converts, and saturates after 290 years.
func seconds2duration(s float64) time.Duration {
	if s >= (1<<63-1)/1e9 {
		return (1<<63 - 1) / time.Second * time.Second
	}
	return time.Duration(s * 1e9)
}

// syncs says whether a consumer forces its data to storage.
func (c Consumer) syncs() bool { return c.Sync != bulkheadv1.SyncPolicy_SYNC_POLICY_NONE }
