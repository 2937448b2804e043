package rundir

import (
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Host describes the collecting machine. What cannot be found stays empty: it is
// for the reader of the report only.
func Host() *bulkheadv1.Host {
	h := &bulkheadv1.Host{Os: runtime.GOOS, Arch: runtime.GOARCH, Cpus: uint32(runtime.NumCPU())}
	h.Name, _ = os.Hostname()
	var uts unix.Utsname
	if unix.Uname(&uts) == nil {
		h.Kernel = unix.ByteSliceToString(uts.Release[:])
	}
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) == nil {
		h.MemoryBytes = uint64(info.Totalram) * uint64(info.Unit)
	}
	return h
}
