package lock

import (
	"errors"
	"fmt"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"bulkhead/internal/sandbox"
	"bulkhead/internal/threads"
)

// spare is how many threads a handler has besides the one that locks it. With one processor for Go
// it comes to need six: to run, to wait for the network, for signals, for time to pass, for room in
// its log, and one to go on meanwhile.
const spare = 6

// Process locks this process in as it is told, and returns what it lacks. folder is the layer
// Root's. It returns sandbox.ErrNotLocked, wrapped, if the order is strict and something is missing.
func Process(o sandbox.Order, folder string) ([]sandbox.Missing, error) {
	if o.Level == sandbox.Off {
		return nil, nil
	}
	runtime.LockOSThread() // what is left to one thread is this one's
	defer runtime.UnlockOSThread()
	warmUp()
	var missing []sandbox.Missing
	lack := func(l sandbox.Layer, err error) {
		if err != nil {
			missing = append(missing, sandbox.Missing{Layer: l, Reason: err.Error()})
		}
	}
	reached := reachesAll()
	for _, w := range sandbox.Walls() {
		switch {
		case !o.Layers.Has(w.Layer):
		case reached != nil && w.Layer != sandbox.Namespaces:
			lack(w.Layer, reached)
		default:
			lack(w.Layer, steps[w.Layer](o, folder))
		}
	}
	if reached != nil {
		_ = bound(unix.RLIMIT_DATA, o.Memory) // the one limit that it can have all the same
	}
	if o.Level == sandbox.Strict && len(missing) > 0 {
		return missing, fmt.Errorf("%w: %s", sandbox.ErrNotLocked, sandbox.Words(missing))
	}
	return missing, nil
}

// steps puts up each layer.
var steps = [...]func(o sandbox.Order, folder string) error{
	sandbox.Namespaces:   namespaces,
	sandbox.Limits:       limits,
	sandbox.Root:         root,
	sandbox.User:         user,
	sandbox.Capabilities: capabilities,
	sandbox.Privileges:   privileges,
	sandbox.Landlock:     landlock,
	sandbox.Hidden:       hidden,
	sandbox.Calls:        calls,
}

// warmUp does what takes files or threads.
func warmUp() {
	_, _ = time.Now().Local().Zone() // reads the zone's file, the first time
	threads.Ahead(spare)
}

var errForeignThreads = errors.New("it is built with cgo, and has threads that Go does not know")

// everyThread makes a system call in every thread. It must succeed in all or in none.
func everyThread(call, a, b, c uintptr) error {
	_, _, errno := syscall.AllThreadsSyscall(call, a, b, c)
	switch {
	case errno == syscall.ENOTSUP:
		return errForeignThreads
	case errno != 0:
		return errno
	}
	return nil
}

// reachesAll returns why calls cannot be made in every thread; nil if they can.
func reachesAll() error { return everyThread(unix.SYS_GETPID, 0, 0, 0) }
