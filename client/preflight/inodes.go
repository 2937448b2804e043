package preflight

import (
	"errors"
	"fmt"
	"math"

	"bulkhead/client/spec"
	"bulkhead/internal/plural"
	"bulkhead/internal/saturated"
	"bulkhead/internal/workload"
)

// aroundFiles is what each consumer has in its path besides its files: a folder.
const aroundFiles = 1

// unlimited is how many inodes are free where the file system makes them as it needs them.
const unlimited = math.MaxUint64

// fileDemand is how many files of one consumer there may be on its file system at once.
type fileDemand struct {
	consumer int
	path     string
	device   uint64
	files    uint64
	counted  uint64 // of files, those of which all consumers together make as many as Config.TotalBytes takes
	reserve  uint64 // inodes to be left free
}

// filesOf returns how many files of a consumer there may be at once. Of one that keeps all, and
// that neither its rate nor the total bounds, only those in progress are known.
func filesOf(c spec.Config, consumer int) (files, counted uint64, bounded bool) {
	one := c.Consumers[consumer]
	writers := uint64(one.Writers())
	if one.KeepFiles > 0 {
		return one.Files(), 0, true
	}
	written := bytesAtMost(c, consumer)
	if written == 0 {
		return writers, 0, false
	}
	finished := uint64(float64(written) / meanFile(one))
	if c.TotalBytes > 0 {
		counted = finished
	}
	return saturated.Add(finished, writers), counted, true
}

// fileDemandOf returns the demand of a consumer at its place; around is how many files and
// folders are made around its files.
func fileDemandOf(c spec.Config, consumer int, at place, around uint64) fileDemand {
	files, counted, _ := filesOf(c, consumer)
	one := c.Consumers[consumer]
	return fileDemand{consumer, one.Path, at.device, saturated.Add(files, around), counted,
		reservedInodes(one.ReserveInodes, at.room)}
}

// meanFile returns the mean size of the files that are drawn.
func meanFile(c workload.Consumer) float64 {
	return (float64(c.SmallestFile()) + float64(c.FileSize)) / 2
}

// checkInodes adds up the files on each file system and returns an error for each that has
// too few inodes.
func checkInodes(demands []fileDemand, rooms map[uint64]room) error {
	var problems []error
	for i, first := range demands {
		var need, counted, reserve uint64
		var names []string
		seen := false
		for j, d := range demands {
			if d.device == first.device {
				seen = seen || j < i
				need, counted = saturated.Add(need, d.files-d.counted), max(counted, d.counted)
				reserve = max(reserve, d.reserve)
				names = append(names, fmt.Sprint(d.consumer))
			}
		}
		need = saturated.Add(need, counted)
		r := rooms[first.device]
		if seen || saturated.Add(need, reserve) <= r.freeInodes {
			continue
		}
		problems = append(problems, fmt.Errorf("%s: may have %s at once in %s, whose file system has %s free, %d of "+
			"them kept in reserve; lower keep_files (0 keeps all), raise file_size, use another path, or free inodes",
			subjectText(names), plural.Of(need, "file"), first.path, plural.Of(r.freeInodes, "inode"),
			min(reserve, r.freeInodes)))
	}
	return errors.Join(problems...)
}

// subjectText names consumers at the beginning of a problem.
func subjectText(names []string) string {
	if len(names) > 1 {
		return "consumers " + listText(names) + " together"
	}
	return "consumer " + names[0]
}
