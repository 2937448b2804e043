package machine

import (
	"bytes"
	"strconv"
	"time"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// memoryOf reads /proc/meminfo and /proc/vmstat, whose pages have so many bytes; nil if they do not
// say what they should.
func memoryOf(meminfo, vmstat []byte, page uint64) *bulkheadv1.Memory {
	kB := named(meminfo, "MemTotal", "MemAvailable")
	pages := named(vmstat, "nr_dirty", "nr_writeback", "nr_dirty_threshold", "nr_dirty_background_threshold")
	_, dirty := pages["nr_dirty"]
	_, writeback := pages["nr_writeback"]
	_, available := kB["MemAvailable"]
	if kB["MemTotal"] == 0 || !available || !dirty || !writeback {
		return nil
	}
	return &bulkheadv1.Memory{
		TotalBytes: bytesOf(kB["MemTotal"], 1024), AvailableBytes: bytesOf(kB["MemAvailable"], 1024),
		DirtyBytes: bytesOf(pages["nr_dirty"], page), WritebackBytes: bytesOf(pages["nr_writeback"], page),
		DirtyLimitBytes:      bytesOf(pages["nr_dirty_threshold"], page),
		BackgroundLimitBytes: bytesOf(pages["nr_dirty_background_threshold"], page),
	}
}

// parsePressure reads a file of /proc/pressure: the microseconds that some and all waited. Before
// Linux 5.13 that of the processor has no line for all, who cannot all wait for it.
func parsePressure(data []byte) ([]uint64, bool) {
	var list [2]uint64
	known := false
	for line := range bytes.Lines(data) {
		f := bytes.Fields(line)
		if len(f) < 5 {
			continue
		}
		total, is := bytes.CutPrefix(f[4], []byte("total="))
		n, err := strconv.ParseUint(string(total), 10, 64)
		if !is || err != nil {
			continue
		}
		switch string(f[0]) {
		case "some":
			list[0], known = n, true
		case "full":
			list[1] = n
		}
	}
	return list[:], known
}

// pressure returns how long some and all waited between two readings; nil if that began anew.
func pressure(from, to []uint64) *bulkheadv1.Pressure {
	n, ok := addedAll(from, to)
	if !ok {
		return nil
	}
	return &bulkheadv1.Pressure{SomeNano: nanoseconds(n[0], uint64(time.Microsecond)),
		FullNano: nanoseconds(n[1], uint64(time.Microsecond))}
}
