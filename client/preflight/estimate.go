package preflight

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"bulkhead/client/spec"
	"bulkhead/internal/human"
	"bulkhead/internal/saturated"
	"bulkhead/internal/workload"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// timing is what writing a few chunks took.
type timing struct {
	// chunkBytes were written in chunk, the fastest of the chunks.
	chunkBytes uint64
	chunk      time.Duration
	// processors can copy to the page cache at the same time; 0 is without limit.
	processors int
	// syncBytes were forced to storage in sync; 0 if that was not tried.
	syncBytes uint64
	sync      time.Duration
}

// noTime is the timing of storage that nobody waits for: what a consumer does with it is
// held back by its own knobs alone.
var noTime = timing{chunkBytes: 1 << 62, chunk: 1}

// syncScaleBytes is from how many bytes on the time of a sync is taken to grow with
// them; with fewer, most of it does not depend on them.
const syncScaleBytes = 8 << 20

// rate returns the speed of writing alone, in bytes per second.
func (t timing) rate() float64 {
	return float64(t.chunkBytes) / max(t.chunk, 1).Seconds()
}

// fileSeconds returns how long one file of size bytes takes at best.
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

// checkRollovers returns an error if a consumer that begins after begin cannot finish two
// files in the runtime even at the speed of its fastest chunk, with what to change.
func checkRollovers(consumer int, c workload.Consumer, t timing, begin, runtime time.Duration) error {
	two, held := twoFiles(c, t)
	left := (runtime - begin).Seconds()
	if two <= left {
		return nil
	}
	rate := float64(filesAtOnce(c)) * float64(c.SmallestFile()) / two
	advice := fmt.Sprintf("raise runtime to %s", seconds2duration(begin.Seconds()+two*1.1+1).Truncate(time.Second))
	if size := roundDown(uint64(float64(c.SmallestFile()) * max(left, 0) / two * 0.9)); size >= c.ChunkSize {
		advice = fmt.Sprintf("lower file_size to %s or %s", human.BriefSize(size), advice)
	}
	when := ""
	if begin > 0 {
		when = fmt.Sprintf(" and it begins after %s", begin)
	}
	files := "two"
	if filesAtOnce(c) > 2 {
		files = fmt.Sprintf("the first two of %d at a time", filesAtOnce(c))
		if size := roundDown(c.SmallestFile() / 2); size < c.ChunkSize {
			advice += ", or lower concurrency"
		}
	}
	return fmt.Errorf("consumer %d: %s files at %s%s need %s for %s, runtime is %s%s; %s",
		consumer, human.BriefSize(c.SmallestFile()), human.BriefRate(rate), held,
		human.BriefDuration(seconds2duration(two)), files, runtime, when, advice)
}

// filesAtOnce returns how many files have been begun when the second one is finished: each
// writer has one of its own, and what the consumer gets is shared evenly.
func filesAtOnce(c workload.Consumer) uint64 { return uint64(max(c.Concurrency, 2)) }

// speedup returns how many times as much as one writer all of a consumer can write at best. Who
// writes through the page cache is bound by the processors that copy.
func speedup(c workload.Consumer, processors int) float64 {
	writers := c.Writers()
	if !c.Direct && processors > 0 {
		writers = min(writers, uint32(processors))
	}
	return float64(writers)
}

// twoFiles returns how long a consumer takes at least for two files, in seconds, and what holds
// it back if that is not the storage. Several writers finish theirs at about the same time: then
// two take as long as all.
func twoFiles(c workload.Consumer, t timing) (seconds float64, held string) {
	size, files := c.SmallestFile(), float64(filesAtOnce(c))
	seconds = files * t.fileSeconds(size) / speedup(c, t.processors)
	chunks := math.Ceil(files * float64(size) / c.MeanChunk())
	slower := func(than float64, why string) {
		if than > seconds {
			seconds, held = than, why
		}
	}
	if c.RateBytes > 0 {
		slower(files*float64(size)/float64(c.RateBytes), " (its rate.bytes)")
	}
	if c.RateChunks > 0 {
		slower(chunks/c.RateChunks, " (its rate.chunks)")
	}
	if c.Concurrency > 1 { // each thinks for itself
		chunks /= files
	} // else one file after the other
	slower((chunks-1)*c.ThinkTime.Seconds(), " (its think_time)")
	return seconds, held
}

// demand is what one consumer may have on its file system at once.
type demand struct {
	consumer int
	path     string
	device   uint64
	bytes    uint64
	counted  uint64 // of bytes, those of which all consumers together write Config.TotalBytes at most
	reserve  uint64 // to be left free
}

// bytesWritten returns what a consumer writes in that time at the speed of its fastest chunk.
func bytesWritten(c workload.Consumer, t timing, runtime time.Duration) uint64 {
	bytes := min(t.rate(), pace(c)) * runtime.Seconds()
	if bytes >= 1<<63 {
		return ^uint64(0)
	}
	return uint64(bytes)
}

// demandOf returns the most that there may be at once of a consumer that writes so much in the
// runtime: the files that may be there (see workload.Consumer.Files), or all, if all are kept,
// but no more than all consumers together are to write, and the files in progress then.
func demandOf(c spec.Config, consumer int, written uint64) (bytes, counted uint64) {
	one := c.Consumers[consumer]
	if one.KeepFiles > 0 {
		return saturated.Mul(one.Files(), one.FileSize), 0
	}
	if c.TotalBytes > 0 {
		written = min(written, c.TotalBytes)
		counted = written
	}
	return saturated.Add(written, saturated.Mul(uint64(one.Writers()), one.FileSize)), counted
}

// pace returns the most bytes that a consumer's rate lets it write in a second; infinite without
// one.
func pace(c workload.Consumer) float64 {
	paced := math.Inf(1)
	if c.RateBytes > 0 {
		paced = float64(c.RateBytes)
	}
	if c.RateChunks > 0 {
		paced = min(paced, c.RateChunks*c.MeanChunk())
	}
	return paced
}

// room is how much space a file system has, in bytes, and how many inodes, for this user.
type room struct {
	free, total uint64
	// freeInodes is unlimited where the file system does not limit them.
	freeInodes, inodes uint64
}

// checkSpace adds up the demands on each file system and returns an error for each
// that has too little room. total is Config.TotalBytes.
func checkSpace(demands []demand, total uint64, rooms map[uint64]room) error {
	var problems []error
	for i, first := range demands {
		var need, counted, reserve uint64
		var names []string
		seen := false
		for j, d := range demands {
			if d.device == first.device {
				seen = seen || j < i
				need, counted = saturated.Add(need, d.bytes-d.counted), saturated.Add(counted, d.counted)
				reserve = max(reserve, d.reserve)
				names = append(names, fmt.Sprint(d.consumer))
			}
		}
		need = saturated.Add(need, min(counted, total))
		r := rooms[first.device]
		if seen || saturated.Add(need, reserve) <= r.free {
			continue
		}
		problems = append(problems, fmt.Errorf("%s: may write %s at once to %s, which has %s free, %s of it kept in "+
			"reserve; lower file_size or keep_files (0 keeps all), use another path, or free space",
			subjectText(names), human.BriefSize(need), first.path, human.BriefSize(r.free),
			human.BriefSize(min(reserve, r.free))))
	}
	return errors.Join(problems...)
}

// listText returns "1, 2 and 3", shortened for many.
func listText(names []string) string {
	const most = 8
	last := len(names) - 1
	if last == 0 {
		return names[0]
	}
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

// doesSync reports whether a consumer forces its data to storage.
func doesSync(c workload.Consumer) bool { return c.Sync != bulkheadv1.SyncPolicy_SYNC_POLICY_NONE }
