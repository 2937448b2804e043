package machine

import (
	"bytes"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"bulkhead/internal/cgroup"
	"bulkhead/internal/procfile"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// quota is a limit of processor time: so much in each period.
type quota struct{ each, period time.Duration }

// parseQuota reads cpu.max of cgroup v2, "20000 100000" or "max 100000", or the two files of
// version 1 joined, "-1 100000". There is none where it is false.
func parseQuota(text string) (quota, bool) {
	f := strings.Fields(text)
	if len(f) != 2 {
		return quota{}, false
	}
	each, err := strconv.ParseInt(f[0], 10, 64)
	if err != nil || each <= 0 {
		return quota{}, false
	}
	period, err := strconv.ParseInt(f[1], 10, 64)
	most := longest / int64(time.Microsecond)
	if err != nil || period <= 0 || period > most || each > most {
		return quota{}, false
	}
	return quota{time.Duration(each) * time.Microsecond, time.Duration(period) * time.Microsecond}, true
}

// quotaOf returns the limit of a group.
func quotaOf(g cgroup.Group) (quota, bool) {
	if g.Unified {
		return parseQuota(text(g.Folder, "cpu.max"))
	}
	return parseQuota(text(g.Folder, "cpu.cfs_quota_us") + " " + text(g.Folder, "cpu.cfs_period_us"))
}

// parseThrottling reads cpu.stat: periods, those of them in which the group was stopped, and for how
// many nanoseconds.
func parseThrottling(data []byte, unified bool) ([]uint64, bool) {
	stopped, unit := "throttled_time", uint64(1)
	if unified {
		stopped, unit = "throttled_usec", uint64(time.Microsecond)
	}
	n := named(data, "nr_periods", "nr_throttled", stopped)
	if len(n) != 3 {
		return nil, false
	}
	return []uint64{n["nr_periods"], n["nr_throttled"], uint64(nanoseconds(n[stopped], unit))}, true
}

// readThrottling reads cpu.stat of a group.
func readThrottling(g cgroup.Group) ([]uint64, bool) {
	data, err := procfile.Read(filepath.Join(g.Folder, "cpu.stat"))
	if err != nil {
		return nil, false
	}
	return parseThrottling(bytes.TrimSpace(data), g.Unified)
}

// throttling returns what a limit did between two readings; nil if the group was made anew.
func throttling(from, to []uint64) *bulkheadv1.ProcessorThrottling {
	n, ok := addedAll(from, to)
	if !ok {
		return nil
	}
	return &bulkheadv1.ProcessorThrottling{Periods: n[0], ThrottledPeriods: n[1],
		ThrottledNano: nanoseconds(n[2], 1)}
}
