// Package boottime reads the machine's clock that is never set, beside the wall clock
// that is.
//
// It is CLOCK_BOOTTIME: it counts from the boot, runs at the speed of the wall clock
// (slewing moves both), runs on while the machine sleeps, and is one for all processes
// of the machine. So what a worker, its client and a supervisor and its successors read
// can be subtracted from each other as long as ID is the same. Go's own monotonic clock
// cannot leave its process.
package boottime

import (
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// close enough together are two looks at Go's clock for a look at ours between them.
const enough = 20 * time.Microsecond

// At returns the clock as it was at t, which must have come from time.Now and kept its
// monotonic reading; 0 for the zero time, and if the system has no such clock. A machine
// that slept between t and now makes it later than it was, by the time it slept.
func At(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	// A process that loses the processor between two clocks would see them apart: the
	// closest of a few pairs counts.
	var at int64
	width := time.Duration(-1)
	for range 4 {
		before := time.Now()
		now := Now()
		apart := time.Since(before)
		if now == 0 {
			return 0
		}
		if width < 0 || apart < width {
			width, at = apart, now-int64(before.Sub(t)+apart/2)
		}
		if width <= enough {
			break
		}
	}
	return max(at, 1)
}

// Now returns the clock as it is; 0 if the system has no such clock.
func Now() int64 {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) != nil {
		return 0
	}
	return ts.Nano()
}

// firstTimeNamespace is the time namespace in which the clock is the machine's own
// (PROC_TIME_INIT_INO of the kernel).
const firstTimeNamespace = "time:[4026531834]"

// ID names the clock: the boot of the machine, and the time namespace where that is one
// with a clock of its own. It is "" if it cannot be told; then nothing may be compared
// with what another process has read.
func ID() string {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	id := strings.TrimSpace(string(boot))
	if ns, err := os.Readlink("/proc/self/ns/time"); err == nil && ns != firstTimeNamespace {
		id = fmt.Sprintf("%s %s", id, ns)
	}
	return id
}
