package boottime

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// What the kernel says of a process's start, in its own count since the boot, lies
// between two readings around it: the clock is the one that others can compare with.
func TestTheClockIsTheOneThatTheKernelCountsFromTheBoot(t *testing.T) {
	before := Now()
	child := exec.Command("sleep", "60")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	after := Now()
	t.Cleanup(func() { _ = child.Process.Kill(); _ = child.Wait() })
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(child.Process.Pid) + "/stat")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	ticks, err := strconv.ParseInt(strings.Fields(rest)[19], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	const tick = int64(time.Second) / 100
	if began := ticks * tick; began < before-tick || began > after {
		t.Errorf("the kernel says that the child began at %d, the clock that it was between %d and %d", began, before,
			after)
	}
}

func TestAtIsWhereTheClockWas(t *testing.T) {
	from := Now()
	moment := time.Now()
	to := Now()
	if at := At(moment); at < from-int64(time.Second) || at > to+int64(time.Second) {
		t.Errorf("At says %d of a moment between %d and %d", at, from, to)
	}
	if d := At(moment.Add(time.Hour)) - At(moment); d < int64(time.Hour-time.Minute) ||
		d > int64(time.Hour+time.Minute) {
		t.Errorf("an hour later is %d later", d)
	}
	if At(time.Time{}) != 0 {
		t.Error("no moment has a time")
	}
}

func TestEveryProcessOfABootNamesTheSameClock(t *testing.T) {
	first, again := ID(), ID()
	if first == "" || first != again {
		t.Errorf("the clock is called %q, then %q", first, again)
	}
}
