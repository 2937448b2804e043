package machine

import (
	"net/netip"
	"syscall"
	"testing"
)

// BenchmarkSample also says how much processor time a sample takes, which a busy machine does not
// change as it does the time that passes.
func BenchmarkSample(b *testing.B) {
	here := netip.MustParseAddr("127.0.0.1")
	s := New(Target{Paths: []string{b.TempDir(), "/dev/shm"}, Local: here, Supervisor: here}, Options{})
	before := processorTime(b)
	for b.Loop() {
		s.Sample()
	}
	b.ReportMetric(float64(processorTime(b)-before)/float64(b.N), "cpu-ns/op")
}

// processorTime returns that of this process, in nanoseconds.
func processorTime(t testing.TB) int64 {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return used.Utime.Nano() + used.Stime.Nano()
}
