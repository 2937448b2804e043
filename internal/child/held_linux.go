package child

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"bulkhead/internal/fdpass"
)

// Held is what a process keeps of a child while it replaces its own program
// (execve(2)): descriptor numbers, -1 for none.
type Held struct {
	Line   int `json:"line"`
	Stderr int `json:"stderr"`
	Box    int `json:"box"`
}

// Keep has the child's descriptors outlive an execve of this process, which from here on uses
// them no more: it knows only how the child ends. No other child may be started until then: it
// would inherit them. Close closes them if the execve fails.
//
// Each is duplicated and then closed, so that a process with as many children as it has
// descriptors for can keep them all.
func (c *Child) Keep() (Held, error) {
	h := Held{-1, -1, -1}
	var err error
	if c.line != nil {
		if h.Line, err = keep(c.line); err == nil {
			c.line.Close() // there is another
		}
	}
	if err == nil && c.proc.stderr != nil {
		if h.Stderr, err = keep(c.proc.stderr); err == nil {
			c.proc.stderr.Close() // there is another
		}
	}
	if err == nil {
		h.Box, err = c.keepBox()
	}
	if err != nil {
		h.Close()
		return Held{-1, -1, -1}, fmt.Errorf("keeping the descriptors of %s (pid %d): %w", c.cfg.Name, c.Pid(), err)
	}
	return h, nil
}

// keepBox opens the box of the child, or a copy of it if the child has ended, without close-on-exec:
// nobody finds the box of a child that ends before it is adopted. It returns -1 without a box, or if
// there is no descriptor for that of a child that runs.
func (c *Child) keepBox() (int, error) {
	if c.proc.box == nil {
		return -1, nil
	}
	box := findBox(c.Pid())
	if c.proc.over() { // another process may have its number by now
		if box != nil {
			box.Close()
		}
		var err error
		if box, err = c.proc.lastBox(); err != nil {
			return -1, err
		}
	}
	if box == nil {
		return -1, nil
	}
	defer box.Close() // nothing was written
	fd, err := keep(box)
	if errors.Is(err, unix.EMFILE) {
		return -1, nil
	}
	return fd, err
}

// keep duplicates a descriptor, without close-on-exec.
func keep(of syscall.Conn) (int, error) {
	raw, err := of.SyscallConn()
	if err != nil {
		return -1, err
	}
	fd := -1
	var dupErr error
	err = raw.Control(func(from uintptr) { fd, dupErr = unix.FcntlInt(from, unix.F_DUPFD, unix.Stderr+1) })
	if err = errors.Join(err, dupErr); err != nil {
		return -1, err
	}
	return fd, nil
}

// Close closes what Keep duplicated.
func (h Held) Close() {
	for _, fd := range []int{h.Line, h.Stderr, h.Box} {
		if fd > unix.Stderr {
			unix.Close(fd)
		}
	}
}

// inherited is a Held as this process uses it; each part may be nil.
type inherited struct {
	line        *net.UnixConn
	stderr, box *os.File
}

// open takes the descriptors over: they are closed also when open fails.
func (h *Held) open() (inherited, error) {
	if h == nil {
		return inherited{}, nil
	}
	var in inherited
	if h.Stderr > unix.Stderr {
		unix.CloseOnExec(h.Stderr)
		// A pipe that is read with a deadline must not block.
		if err := unix.SetNonblock(h.Stderr, true); err != nil {
			h.Close()
			return inherited{}, fmt.Errorf("taking descriptor %d over as stderr: %w", h.Stderr, err)
		}
		in.stderr = os.NewFile(uintptr(h.Stderr), "stderr")
	}
	if h.Box > unix.Stderr {
		unix.CloseOnExec(h.Box)
		in.box = os.NewFile(uintptr(h.Box), "box")
	}
	if h.Line > unix.Stderr {
		line, err := fdpass.Open(h.Line)
		if err != nil {
			in.close()
			return inherited{}, err
		}
		in.line = line
	}
	return in, nil
}

func (in inherited) close() {
	if in.line != nil {
		in.line.Close()
	}
	for _, f := range []*os.File{in.stderr, in.box} {
		if f != nil {
			f.Close()
		}
	}
}
