package lock

import (
	"fmt"

	"golang.org/x/sys/unix"

	"bulkhead/internal/sandbox"
)

const (
	// descriptors is how many a handler may have; it has about a dozen.
	descriptors = 32
	// beyondData is how much a handler may map besides its data: Go's runtime reserves more than
	// 1 GiB that it never touches.
	beyondData = 4 << 30
	// nicer is by how much a handler comes after its supervisor where processors are short.
	nicer = 3
	// lowest is the least urgent that a process can be.
	lowest = 19
)

// limits bounds what the process may take, but for threads: see allThreads. It sets them itself:
// once it has another user, whoever started it might not be allowed to.
func limits(o sandbox.Order, _ string) error {
	all := []struct {
		resource int
		most     uint64
		name     string
	}{
		{unix.RLIMIT_NOFILE, descriptors, "RLIMIT_NOFILE"},
		{unix.RLIMIT_FSIZE, 0, "RLIMIT_FSIZE"},
		{unix.RLIMIT_CORE, 0, "RLIMIT_CORE"},
		{unix.RLIMIT_MEMLOCK, 0, "RLIMIT_MEMLOCK"},
		{unix.RLIMIT_MSGQUEUE, 0, "RLIMIT_MSGQUEUE"},
	}
	for _, l := range all {
		if err := bound(l.resource, l.most); err != nil {
			return fmt.Errorf("setrlimit(%s): %w", l.name, err)
		}
	}
	if o.Memory > 0 {
		if err := bound(unix.RLIMIT_DATA, o.Memory); err != nil {
			return fmt.Errorf("setrlimit(RLIMIT_DATA): %w", err)
		}
		if err := bound(unix.RLIMIT_AS, o.Memory+beyondData); err != nil {
			return fmt.Errorf("setrlimit(RLIMIT_AS): %w", err)
		}
	}
	return yield()
}

// bound lowers a limit, for good; one that is lower stays.
func bound(resource int, most uint64) error {
	var now unix.Rlimit
	if err := unix.Prlimit(0, resource, nil, &now); err != nil {
		return err
	}
	most = min(most, now.Max)
	return unix.Prlimit(0, resource, &unix.Rlimit{Cur: most, Max: most}, nil)
}

// yield has every thread come after the parent, unless the process began so.
func yield() error {
	now, err := niceness(0)
	if err != nil {
		return fmt.Errorf("getpriority: %w", err)
	}
	parent, err := niceness(unix.Getppid())
	if err != nil { // it is gone, and what it had is what this process has
		parent = now
	}
	nice := min(parent+nicer, lowest)
	if now >= nice {
		return nil
	}
	if err := everyThread(unix.SYS_SETPRIORITY, unix.PRIO_PROCESS, 0, uintptr(nice)); err != nil {
		return fmt.Errorf("setpriority: %w", err)
	}
	return nil
}

// niceness returns how nice a process is; 0 is the calling thread.
func niceness(pid int) (int, error) {
	n, err := unix.Getpriority(unix.PRIO_PROCESS, pid)
	return 20 - n, err // the call returns 20 less the value, getpriority(2)
}
