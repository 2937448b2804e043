package child_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"bulkhead/internal/child"
)

// TestTimerSlack starts a child with a slack and one without: only the first has it, and
// this process keeps its own.
func TestTimerSlack(t *testing.T) {
	own := slack(t, os.Getpid())
	for _, want := range []time.Duration{3 * time.Millisecond, 0} {
		dir := t.TempDir()
		cfg := config("serve", dir, nil)
		cfg.TimerSlack = want
		c, err := child.Start(context.Background(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			c.Kill()
			gone(t, c.Pid(), dir)
		})
		got := slack(t, c.Pid())
		if want == 0 {
			want = own
		}
		if got != want {
			t.Errorf("the child's slack is %v, want %v", got, want)
		}
		if now := slack(t, os.Getpid()); now != own {
			t.Errorf("this process's slack is %v, was %v", now, own)
		}
	}
}

// slack returns the timer slack of a process's first thread.
func slack(t *testing.T, pid int) time.Duration {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/timerslack_ns", pid))
	if errors.Is(err, fs.ErrPermission) {
		t.Skip("reading another process's timer slack needs CAP_SYS_NICE")
	}
	if err != nil {
		t.Fatal(err)
	}
	d, err := time.ParseDuration(strings.TrimSpace(string(data)) + "ns")
	if err != nil {
		t.Fatal(err)
	}
	return d
}
