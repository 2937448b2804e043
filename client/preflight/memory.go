package preflight

import (
	"errors"
	"fmt"

	"bulkhead/client/block"
	"bulkhead/client/spec"
	"bulkhead/internal/human"
	"bulkhead/internal/saturated"
	"bulkhead/internal/workload"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// What a client's processes take of memory, in bytes, beside the data that are written. They are
// upper bounds, but for leastWorker.
const (
	// programMemory is the program itself, which all its processes share.
	programMemory = 18 << 20
	// consumerMemory is a consumer's own, with the messages that wait for its parent.
	consumerMemory = 18 << 20
	// leastWorker is what a consumer takes of its own at least.
	leastWorker = 4 << 20
	// writerMemory is a writer's: its thread, and what Go's runtime keeps for each that runs.
	writerMemory = 80 << 10
	// verifierMemory is what reading back takes: a buffer, and faults.
	verifierMemory = 2 << 20
	// keptMemory is for a file that stays, keptReadMemory for one that may be read again.
	keptMemory, keptReadMemory = 80, 800
	// parentMemory is the client's own and the monitor's, but for the messages that wait for the
	// supervisor: those take spoolFactor times what they have encoded.
	parentMemory, spoolFactor = 24 << 20, 3
)

// memoryOf returns what a consumer takes by itself, without the program: at least, which is
// certain, and at most. written is how much it writes in all at most; 0 if nothing bounds that.
func memoryOf(c workload.Consumer, written uint64) (least, most uint64) {
	writers := uint64(c.Writers())
	data := block.Memory(block.KindOf(c.Data), int(c.ChunkSize), int(writers))
	least = saturated.Add(data, leastWorker)
	most = saturated.Add(data, consumerMemory+writers*writerMemory)
	if c.Verify > bulkheadv1.VerifyMode_VERIFY_MODE_OFF {
		most = saturated.Add(most, verifierMemory)
	}
	if readers := uint64(c.Readers); readers > 0 {
		most = saturated.Add(most, readers*writerMemory+saturated.Mul(readers, c.ReadSize()))
	}
	return least, saturated.Add(most, memoryOfFiles(c, written))
}

// memoryOfFiles returns what it takes to remember the files that stay.
func memoryOfFiles(c workload.Consumer, written uint64) uint64 {
	kept, each := uint64(c.KeepFiles), uint64(keptMemory)
	again := c.Verify == bulkheadv1.VerifyMode_VERIFY_MODE_CONTINUOUS
	later := c.Verify == bulkheadv1.VerifyMode_VERIFY_MODE_END || c.Readers > 0
	if again || later && (kept > 0 || c.SmallestFile() < c.FileSize) {
		each = keptReadMemory
	} else if kept == 0 {
		return 0 // they are a set of numbers
	}
	if kept == 0 {
		kept = written / max(c.SmallestFile(), 1)
	}
	return saturated.Mul(kept, each)
}

// memoryOfAll returns what all processes of the client take together: at least, and at most.
func memoryOfAll(c spec.Config) (least, most uint64) {
	most = programMemory + parentMemory + saturated.Mul(spoolFactor, c.SpoolMemory)
	for i, one := range c.Consumers {
		l, m := memoryOf(one, bytesAtMost(c, i))
		least, most = saturated.Add(least, l), saturated.Add(most, m)
	}
	return least, most
}

// memoryRoom is how much a client may take.
type memoryRoom struct {
	bytes uint64
	// of says whose limit that is, for a person.
	of string
	// most is what it may take if others give back what they can: file systems that cache
	// beside the page cache, processes that can be swapped out.
	most uint64
}

// checkMemory returns an error if a load cannot have the memory that it needs at least, and a
// warning if it may need more than there is; both say what to lower.
func checkMemory(cfg spec.Config, room memoryRoom) (warning string, err error) {
	least, most := memoryOfAll(cfg)
	if most <= room.bytes {
		return "", nil
	}
	largest, at := uint64(0), 0
	for i, one := range cfg.Consumers {
		if _, m := memoryOf(one, bytesAtMost(cfg, i)); m > largest {
			largest, at = m, i
		}
	}
	lower := "chunk_size or the number of consumers"
	if cfg.Consumers[at].Concurrency > 1 {
		lower = "concurrency, " + lower
	}
	alone := ""
	if len(cfg.Consumers) > 1 {
		alone = fmt.Sprintf(", up to %s of it consumer %d", Memory(largest), at)
	}
	text := fmt.Sprintf("memory: the load takes %s to %s%s, and %s has %s left; lower %s",
		Memory(least), Memory(most), alone, room.of, human.BriefSize(roundDown(room.bytes)), lower)
	if least > room.most {
		return "", errors.New(text)
	}
	return text, nil
}

// Memory returns a size of memory for a person, rounded up to whole MiB.
func Memory(n uint64) string { return human.BriefSize(saturated.Add(n, 1<<20-1) &^ (1<<20 - 1)) }
