package machine

import (
	"time"

	"golang.org/x/sys/unix"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// place is a folder of consumers, looked at by a goroutine of its own because the file system may
// not answer.
type place struct {
	path      string
	consumers uint32
	// pending gets the answer to the question that is out; nil if none is. asked is when it was.
	pending chan look
	asked   time.Time
	last    look // the newest answer
	known   bool // there is one
}

// look is what was seen of a folder.
type look struct {
	err    error
	id     uint64 // of the mount; 0 if the kernel does not say
	number        // of the file system
	space  *bulkheadv1.Space
}

// ask looks at the folder, unless that has not returned since last time.
func (p *place) ask(now time.Time, at func(path string) look) {
	if p.pending != nil {
		return
	}
	answer := make(chan look, 1)
	p.pending, p.asked = answer, now
	path := p.path
	go func() { answer <- at(path) }() // never blocks; nobody waits for a call that does not return
}

// hear takes the answer and reports whether there is one. It waits until over is closed, and not at
// all for one that was not there in time before.
func (p *place) hear(over <-chan struct{}) bool {
	select {
	case p.last = <-p.pending:
	default:
		select {
		case p.last = <-p.pending:
		case <-over:
			return false
		}
	}
	p.pending, p.known = nil, true
	return true
}

// lookAt asks the kernel about a folder.
func lookAt(path string) look {
	var seen unix.Statx_t
	var free unix.Statfs_t
	err := retry(func() error {
		return unix.Statx(unix.AT_FDCWD, path, unix.AT_STATX_DONT_SYNC, unix.STATX_MNT_ID, &seen)
	})
	if err == nil {
		err = retry(func() error { return unix.Statfs(path, &free) })
	}
	if err != nil {
		return look{err: err}
	}
	l := look{number: number{seen.Dev_major, seen.Dev_minor}}
	if seen.Mask&unix.STATX_MNT_ID != 0 {
		l.id = seen.Mnt_id
	}
	unit := uint64(max(free.Frsize, 1))
	if free.Frsize <= 0 {
		unit = uint64(max(free.Bsize, 1))
	}
	l.space = &bulkheadv1.Space{SizeBytes: bytesOf(free.Blocks, unit), FreeBytes: bytesOf(free.Bavail, unit),
		Inodes: min(free.Files, most), FreeInodes: min(free.Ffree, free.Files, most)}
	return l
}

// retry calls f until no signal interrupts it.
func retry(f func() error) error {
	for {
		if err := f(); err != unix.EINTR {
			return err
		}
	}
}
