package child_test

import (
	"log/slog"
	"runtime"
	"syscall"
	"testing"
)

// What a child is said to have used is its own, however large its parent was when it started
// it: wait4(2) tells of the larger of the two.
func TestAChildsPeakIsItsOwn(t *testing.T) {
	const large = 256 << 20
	ballast := make([]byte, large)
	for i := 0; i < large; i += 4096 {
		ballast[i] = 1
	}
	asked := start(t, "serve", slog.New(slog.DiscardHandler))
	crashed := start(t, "serve", slog.New(slog.DiscardHandler))
	runtime.KeepAlive(ballast)
	if e := asked.Stop(within(t)); e.MaxResident == 0 || e.MaxResident >= large {
		t.Errorf("a child that was asked to end used %d bytes, it says; its parent had more than %d", e.MaxResident,
			large)
	}
	if err := syscall.Kill(crashed.Pid(), syscall.SIGSEGV); err != nil {
		t.Fatal(err)
	}
	<-crashed.Done()
	if e := crashed.Exit(); e.MaxResident >= large {
		t.Errorf("a child that crashed used %d bytes, it says; its parent had more than %d", e.MaxResident, large)
	}
}
