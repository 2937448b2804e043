package block

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/cespare/xxhash/v2"
)

// Run is the id of a run in the eight bytes that a header has for it: the time of
// an id such as 20261124T032209Z-1a2b3c in seconds since 1970 in the upper 40 bits, its
// last six digits in the lower 24. An id of another form is a hash of it: the
// highest bit is 1, the others are the lower ones of its xxHash64. 0 is no run.
type Run uint64

const (
	runTime    = "20060102T150405Z"
	runHashed  = 1 << 63
	suffixBits = 24
)

// RunOf returns the run of that id. A Run's String gives the same Run again.
func RunOf(id string) Run {
	if id == "" {
		return 0
	}
	if r := timedRun(id); r != 0 {
		return r
	}
	if raw, err := hex.DecodeString(id[1:]); err == nil && id[0] == '#' && len(raw) == 8 && raw[0]&0x80 != 0 {
		return Run(binary.BigEndian.Uint64(raw))
	}
	return Run(xxhash.Sum64String(id) | runHashed)
}

// timedRun returns the run of an id that has a time and a suffix, or else 0.
func timedRun(id string) Run {
	if len(id) != len(runTime)+len("-1a2b3c") || id[len(runTime)] != '-' {
		return 0
	}
	at, err := time.Parse(runTime, id[:len(runTime)])
	if err != nil || at.Unix() < 0 {
		return 0
	}
	suffix, err := hex.DecodeString(id[len(runTime)+1:])
	if err != nil {
		return 0
	}
	r := Run(at.Unix())<<suffixBits | Run(suffix[0])<<16 | Run(suffix[1])<<8 | Run(suffix[2])
	if r.String() != id { // upper-case digits, for one
		return 0
	}
	return r
}

// String returns the id, or # and the hash in hex if it was of another form. It is empty for no
// run.
func (r Run) String() string {
	switch {
	case r == 0:
		return ""
	case r&runHashed != 0:
		return fmt.Sprintf("#%016x", uint64(r))
	}
	return fmt.Sprintf("%s-%06x", time.Unix(int64(r>>suffixBits), 0).UTC().Format(runTime), uint64(r)&(1<<suffixBits-1))
}
