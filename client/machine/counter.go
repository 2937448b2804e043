package machine

import (
	"bytes"
	"strconv"
	"time"
)

// added returns what a counter has counted between two readings. Some wrap at 32 bits; one that is
// lower for another reason has begun anew, and then it is false. So it is for one that has counted more
// than messages hold, because a driver has taken from it what it never had.
func added(from, to uint64) (uint64, bool) {
	const wrap = 1 << 32
	switch {
	case to >= from && to-from > most:
		return 0, false
	case to >= from:
		return to - from, true
	case from < wrap && from >= wrap-wrap/4 && to < wrap/4:
		return to + wrap - from, true
	default:
		return 0, false
	}
}

// addedAll returns what each of several counters has counted; false if one has begun anew.
func addedAll(from, to []uint64) ([]uint64, bool) {
	if len(from) != len(to) {
		return nil, false
	}
	list := make([]uint64, len(to))
	for i := range to {
		n, ok := added(from[i], to[i])
		if !ok {
			return nil, false
		}
		list[i] = n
	}
	return list, true
}

// numbers reads whole numbers, as many as there are before something else.
func numbers(fields [][]byte) []uint64 {
	list := make([]uint64, 0, len(fields))
	for _, f := range fields {
		n, err := strconv.ParseUint(string(f), 10, 64)
		if err != nil {
			break
		}
		list = append(list, n)
	}
	return list
}

// named returns the number of each line "name number" or "name: number kB" whose name is asked for.
func named(data []byte, names ...string) map[string]uint64 {
	found := make(map[string]uint64, len(names))
	for line := range bytes.Lines(data) {
		for _, name := range names {
			rest, is := bytes.CutPrefix(line, []byte(name))
			if !is || len(rest) == 0 || rest[0] != ' ' && rest[0] != ':' {
				continue
			}
			if list := numbers(bytes.Fields(bytes.TrimPrefix(rest, []byte(":")))); len(list) > 0 {
				found[name] = list[0]
			}
		}
	}
	return found
}

// milliseconds returns n of them in nanoseconds, as far as that can be.
func milliseconds(n uint64) int64 { return nanoseconds(n, uint64(time.Millisecond)) }

// nanoseconds returns n times so many nanoseconds, at most what messages may hold.
func nanoseconds(n, each uint64) int64 {
	if n > uint64(longest)/each {
		return longest
	}
	return int64(n * each)
}
