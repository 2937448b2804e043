package child

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"bulkhead/internal/blackbox"
)

// boxed is what a black box held.
type boxed struct {
	frame  []byte
	atWork bool
}

// addBox makes the box that the process inherits, if it is to have one.
func (p *process) addBox() error {
	if p.cfg.BoxBytes <= 0 {
		return nil
	}
	box, err := blackbox.Create(p.cfg.BoxBytes)
	if err != nil {
		return err
	}
	p.box = box
	p.cmd.ExtraFiles = append(p.cmd.ExtraFiles, box) // behind the line: blackbox.ChildFD
	return nil
}

// findBox opens the box of a process whose parent has ended. A process without one,
// or one that hides it, has none: nil.
func findBox(pid int) *os.File {
	// Not to block on whatever the process has put there instead.
	fd, err := unix.Open(fmt.Sprintf("/proc/%d/fd/%d", pid, blackbox.ChildFD), unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil
	}
	if _, err := blackbox.Check(fd); err != nil {
		unix.Close(fd)
		return nil
	}
	return os.NewFile(uintptr(fd), "box")
}

// Box is the frame that the child is at work on, or was when it ended, as far as it
// fits into the box, and whether there is one: a child that is idle, has no box or
// has spoilt it has none.
func (c *Child) Box() (frame []byte, atWork bool) {
	select {
	case <-c.proc.exited:
		return c.proc.kept.frame, c.proc.kept.atWork
	default:
	}
	if c.proc.box == nil {
		return nil, false
	}
	b := readBox(c.proc.box, c.cfg.BoxBytes) // fails, and is empty, if the child ends now
	return b.frame, b.atWork
}

// readBox reads at most room bytes of a frame: a box that was found may be a box of
// any size that the process made itself.
func readBox(f *os.File, room int) boxed {
	raw, err := f.SyscallConn()
	if err != nil {
		return boxed{}
	}
	var b boxed
	_ = raw.Control(func(fd uintptr) { // it fails only for a file that is closed
		has, err := blackbox.Check(int(fd))
		if err != nil {
			return
		}
		if b.frame, b.atWork, err = blackbox.Read(file(fd), min(has, room)); err != nil {
			b = boxed{}
		}
	})
	return b
}

// file reads an open file with pread(2), which does not move its offset.
type file uintptr

func (f file) ReadAt(p []byte, off int64) (int, error) {
	for n := 0; n < len(p); {
		m, err := unix.Pread(int(f), p[n:], off+int64(n))
		switch {
		case err == unix.EINTR:
		case err != nil:
			return n, err
		case m == 0:
			return n, fmt.Errorf("the box ends at %d: %w", off+int64(n), unix.EIO)
		default:
			n += m
		}
	}
	return len(p), nil
}
