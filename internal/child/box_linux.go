package child

import (
	"errors"
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

// addBox makes the box that the process inherits, if it is to have one. The file is for that,
// and closed by Start.
func (p *process) addBox() (*os.File, error) {
	if p.cfg.BoxBytes <= 0 {
		return nil, nil
	}
	box, err := blackbox.Create(p.cfg.BoxBytes)
	if err != nil {
		return nil, err
	}
	if p.box, err = viewOf(box); err != nil {
		box.Close()
		return nil, err
	}
	p.cmd.ExtraFiles = append(p.cmd.ExtraFiles, box) // behind the line: blackbox.ChildFD
	return box, nil
}

// viewOf maps the box in an open file.
func viewOf(f *os.File) (view *blackbox.View, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	if fails := raw.Control(func(fd uintptr) { view, err = blackbox.Map(int(fd)) }); fails != nil {
		return nil, fails
	}
	return view, err
}

// findBox opens the box of a running process. A process without one, or one that hides it, has
// none: nil.
func findBox(pid int) *os.File {
	// Not to block on whatever the process has put there instead.
	fd, err := unix.Open(fmt.Sprintf("/proc/%d/fd/%d", pid, blackbox.ChildFD),
		unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil
	}
	if _, err := blackbox.Check(fd); err != nil {
		unix.Close(fd)
		return nil
	}
	return os.NewFile(uintptr(fd), "box")
}

// viewBox looks into the box that is open as f, or that of a process whose parent has ended if f
// is nil. It closes f.
func viewBox(f *os.File, pid int) *blackbox.View {
	if f == nil {
		f = findBox(pid)
	}
	if f == nil {
		return nil
	}
	defer f.Close() // nothing was written
	view, err := viewOf(f)
	if err != nil {
		return nil
	}
	return view
}

// lastBox returns a copy of the box of a process that has ended and was not waited for yet; nil
// for any other.
func (p *process) lastBox() (*os.File, error) {
	running := p.running.Load()
	if p.box == nil || running == nil || !running.ended() {
		return nil, nil
	}
	f, err := p.box.Copy(p.cfg.BoxBytes)
	if errors.Is(err, os.ErrClosed) { // it was waited for meanwhile
		return nil, nil
	}
	return f, err
}

// Box returns the frame that the child is at work on, or was when it ended, as far as it
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
func readBox(view *blackbox.View, room int) boxed {
	frame, atWork, err := blackbox.Read(view, room)
	if err != nil {
		return boxed{}
	}
	return boxed{frame, atWork}
}
