package machine

import (
	"bytes"
	"time"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// sectorBytes is the unit of /proc/diskstats, whatever a device's own sectors are.
const sectorBytes = 512

// number names a block device to the kernel.
type number struct{ major, minor uint32 }

// diskLine is what /proc/diskstats says of a device.
type diskLine struct {
	name string
	// counters are the fields 4 to 14 of the line but the 12th, which is how many requests are in
	// flight (Documentation/admin-guide/iostats.rst).
	counters []uint64
}

// Places in diskLine.counters.
const (
	diskReads = iota
	_         // merged
	diskSectorsRead
	diskReadTime
	diskWrites
	_ // merged
	diskSectorsWritten
	diskWriteTime
	diskBusy
	diskQueued
	diskCounters
)

// parseDisks reads /proc/diskstats, of the devices that are wanted. Kernels have added fields at the
// end, and before 2.6.25 partitions had fewer: such a line is left out.
func parseDisks(data []byte, wanted func(number) bool) map[number]diskLine {
	found := make(map[number]diskLine)
	for line := range bytes.Lines(data) {
		f := bytes.Fields(line)
		if len(f) < 14 {
			continue
		}
		at := numbers(f[:2])
		if len(at) < 2 || !wanted(number{uint32(at[0]), uint32(at[1])}) {
			continue
		}
		list := numbers(f[3:14])
		if len(list) < 11 {
			continue
		}
		found[number{uint32(at[0]), uint32(at[1])}] = diskLine{string(f[2]), append(list[:8:8], list[9:]...)}
	}
	return found
}

// activity returns what a device did between two readings; nil if that cannot be told. A device is
// not busy for longer than time has passed: then one of its counters was not what it seemed.
func activity(from, to diskLine, interval time.Duration) *bulkheadv1.DeviceActivity {
	n, ok := addedAll(from.counters, to.counters)
	if !ok || len(n) != diskCounters || from.name != to.name {
		return nil
	}
	busy := milliseconds(n[diskBusy])
	if busy > int64(interval+interval/4+100*time.Millisecond) {
		return nil
	}
	return &bulkheadv1.DeviceActivity{
		BusyNano: min(busy, int64(interval)), Reads: n[diskReads], Writes: n[diskWrites],
		ReadBytes: bytesOf(n[diskSectorsRead], sectorBytes), WrittenBytes: bytesOf(n[diskSectorsWritten], sectorBytes),
		ReadNano: milliseconds(n[diskReadTime]), WriteNano: milliseconds(n[diskWriteTime]),
		QueuedNano: milliseconds(n[diskQueued]),
	}
}

// bytesOf returns n units of so many bytes, at most what messages may hold.
func bytesOf(n, each uint64) uint64 {
	if n > most/each {
		return most
	}
	return n * each
}
