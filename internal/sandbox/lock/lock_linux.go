package lock

import (
	"errors"
	"fmt"
	"slices"
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
//
// It is quickest as long as nothing in the process has waited for anything: there is one thread then
// besides the runtime's own, and a call in every thread wakes up no others. So it does not keep its
// goroutine to a thread either, for which the runtime would make two.
func Process(o sandbox.Order, folder string) ([]sandbox.Missing, error) {
	if o.Level == sandbox.Off {
		return nil, nil
	}
	_, _ = time.Now().Local().Zone() // reads the zone's file, the first time
	var missing []sandbox.Missing
	lack := func(l sandbox.Layer, err error) {
		if err != nil {
			missing = append(missing, sandbox.Missing{Layer: l, Reason: err.Error()})
		}
	}
	reached := reachesAll()
	for _, w := range sandbox.Walls() {
		if w.Layer == sandbox.Calls {
			allThreads(o, reached == nil && !lacks(missing, sandbox.Limits), lack)
		}
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

// allThreads makes the threads that the process is to have besides, when all that is left is one
// call for all of them: a call that each makes for itself takes as long as there are many, and what
// a thread is left with, those that it makes are, too. From then on limited ones make no more.
func allThreads(o sandbox.Order, limited bool, lack func(sandbox.Layer, error)) {
	threads.Ahead(spare)
	if !limited || !o.Layers.Has(sandbox.Limits) {
		return
	}
	if err := bound(unix.RLIMIT_NPROC, 0); err != nil {
		lack(sandbox.Limits, fmt.Errorf("setrlimit(RLIMIT_NPROC): %w", err))
	}
}

// lacks reports whether a layer is among those that are missing.
func lacks(missing []sandbox.Missing, l sandbox.Layer) bool {
	return slices.ContainsFunc(missing, func(m sandbox.Missing) bool { return m.Layer == l })
}

var errForeignThreads = errors.New("it is built with cgo, and has threads that Go does not know")

// everyThread makes a system call in every thread. It must succeed in all or in none.
//
//go:uintptrescapes
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

// reachesAll returns why calls cannot be made in every thread; nil if they can. It asks by one that
// fails in this thread, and so is made in no other.
func reachesAll() error {
	err := everyThread(unix.SYS_CLOSE, ^uintptr(0), 0, 0)
	if errors.Is(err, unix.EBADF) {
		return nil
	}
	return err
}
