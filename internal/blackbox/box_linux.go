package blackbox

import (
	"encoding/binary"
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ChildFD is the descriptor at which a child inherits its box.
const ChildFD = 4

// name is what /proc shows of a box.
const name = "bulkhead-box"

// sealed is what keeps a box's size.
const sealed = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW

// Create makes an empty box with room for a frame of room bytes; larger frames are
// kept in part. The caller closes the file.
func Create(room int) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("making a black box: %w", err)
	}
	f := os.NewFile(uintptr(fd), name)
	header := binary.NativeEndian.AppendUint32(nil, magic)
	if _, err = f.WriteAt(header, magicAt); err == nil {
		err = f.Truncate(headerBytes + int64(room))
	}
	if err == nil {
		_, err = unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, sealed|unix.F_SEAL_SEAL)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("making a black box of %d bytes: %w", room, err)
	}
	return f, nil
}

// Check reports whether an open file is a box, whoever made it, and how many bytes of a
// frame it holds. It returns ErrNotABox, wrapped, if it is none.
func Check(fd int) (room int, err error) {
	seals, err := unix.FcntlInt(uintptr(fd), unix.F_GET_SEALS, 0)
	if err != nil || seals&sealed != sealed {
		return 0, fmt.Errorf("%w: descriptor %d is no memory file of a fixed size", ErrNotABox, fd)
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return 0, fmt.Errorf("%w: %w", ErrNotABox, err)
	}
	if st.Size <= headerBytes || st.Size > 1<<30 {
		return 0, fmt.Errorf("%w: it has %d bytes", ErrNotABox, st.Size)
	}
	return int(st.Size - headerBytes), nil
}

// Box is the child's side of a box. A nil Box keeps nothing.
type Box struct {
	mem           []byte // the mapped file
	state, length *atomic.Uint32
}

// Open maps the box at descriptor fd, which stays open: a parent that has lost its
// own descriptor finds the box there. It returns ErrNotABox, wrapped, when fd is
// none, or not open, and leaves fd alone then.
func Open(fd int) (*Box, error) {
	room, err := Check(fd)
	if err != nil {
		return nil, err
	}
	var got [4]byte
	if _, err := unix.Pread(fd, got[:], magicAt); err != nil || binary.NativeEndian.Uint32(got[:]) != magic {
		return nil, fmt.Errorf("%w: descriptor %d begins with %x", ErrNotABox, fd, got)
	}
	unix.CloseOnExec(fd)
	mem, err := unix.Mmap(fd, 0, headerBytes+room, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("mapping the black box: %w", err)
	}
	return &Box{
		mem:    mem,
		state:  (*atomic.Uint32)(unsafe.Pointer(&mem[stateAt])),
		length: (*atomic.Uint32)(unsafe.Pointer(&mem[lengthAt])),
	}, nil
}

// Begin keeps a frame, given in one part or more, as the one at work on. One
// goroutine at a time calls Begin and Done.
func (b *Box) Begin(parts ...[]byte) {
	if b == nil {
		return
	}
	b.state.Store(stateIdle)
	at, length := headerBytes, 0
	for _, p := range parts {
		at += copy(b.mem[at:], p)
		length += len(p)
	}
	b.length.Store(uint32(min(length, 1<<31)))
	b.state.Store(stateAtWork)
}

// Done records that the work on the frame is over.
func (b *Box) Done() {
	if b == nil {
		return
	}
	b.state.Store(stateIdle)
}

// Close unmaps the box. Only a process that does not end needs it.
func (b *Box) Close() error {
	if b == nil || b.mem == nil {
		return nil
	}
	mem := b.mem
	b.mem = nil
	return unix.Munmap(mem)
}
