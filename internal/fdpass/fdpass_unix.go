// Package fdpass hands an open socket from one process to another.
//
// A parent and its child share a SOCK_SEQPACKET pair, the line. Over it the
// parent sends a socket with its connection number (SCM_RIGHTS, unix(7)) and perhaps a
// time, and the child answers with the same number once the socket is its own. The line has a
// second use: end-of-file on it tells either side that the other is gone. A parent
// that wants its child to end says so first (End), so that the child can tell this
// from its parent's death. And it is where a parent can tell its child what no other process
// may know (Confide).
//
// The package moves descriptors, numbers and a secret; what they mean is its callers'.
package fdpass

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ChildFD is the descriptor at which a child inherits its end of the line.
const ChildFD = 3

// ErrEnd is what Receive returns when the other side called End.
var ErrEnd = errors.New("the other side asks to end")

// Sizes of packets on the line. One is a connection number, big-endian; 0 without a socket asks
// to end. Behind the number of a socket there may be a time in nanoseconds, which a child of
// before there was one does not read.
const (
	messageBytes = 8
	timedBytes   = 2 * messageBytes
)

// Handover is what goes with a socket.
type Handover struct {
	// ID is the number of the connection; not 0.
	ID uint64
	// Patience is how long its client may take to say who it is; 0 says nothing of that.
	Patience time.Duration
}

// packet returns the handover as it is on the line.
func (h Handover) packet() []byte {
	msg := binary.BigEndian.AppendUint64(make([]byte, 0, timedBytes), h.ID)
	if h.Patience > 0 {
		msg = binary.BigEndian.AppendUint64(msg, uint64(h.Patience))
	}
	return msg
}

// handoverOf returns what a packet with a socket says.
func handoverOf(msg []byte) (h Handover, ok bool) {
	if len(msg) == timedBytes {
		h.Patience = time.Duration(binary.BigEndian.Uint64(msg[messageBytes:]))
	} else if len(msg) != messageBytes {
		return h, false
	}
	h.ID = binary.BigEndian.Uint64(msg)
	return h, h.Patience >= 0
}

// Pair makes a line: the parent's end, ready to use, and the child's end, to be
// the first of exec.Cmd.ExtraFiles. The caller closes both.
func Pair() (parent *net.UnixConn, child *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("making a socket pair: %w", err)
	}
	child = os.NewFile(uintptr(fds[1]), "line")
	parent, err = connOf(os.NewFile(uintptr(fds[0]), "line"))
	if err != nil {
		child.Close()
		return nil, nil, err
	}
	return parent, child, nil
}

// Inherited opens the child's end of the line. It takes ChildFD over and closes
// the original, so it can be called once.
func Inherited() (*net.UnixConn, error) {
	unix.CloseOnExec(ChildFD)
	c, err := connOf(os.NewFile(ChildFD, "line"))
	if err != nil {
		return nil, fmt.Errorf("descriptor %d is not the line from a parent process: %w", ChildFD, err)
	}
	return c, nil
}

// Open makes a line of a descriptor that this process inherited, and takes it over:
// it is closed also when Open fails.
func Open(fd int) (*net.UnixConn, error) {
	if fd < 0 {
		return nil, fmt.Errorf("descriptor %d is not a line: %w", fd, os.ErrInvalid)
	}
	unix.CloseOnExec(fd)
	c, err := connOf(os.NewFile(uintptr(fd), "line"))
	if err != nil {
		return nil, fmt.Errorf("descriptor %d is not a line: %w", fd, err)
	}
	return c, nil
}

// connOf turns a file into a connection and closes the file.
func connOf(f *os.File) (*net.UnixConn, error) {
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		c.Close()
		return nil, fmt.Errorf("it is a %s socket", c.LocalAddr().Network())
	}
	return u, nil
}

// Send hands socket over and waits for the other side to confirm. Both steps end at the
// line's deadline. The caller still owns its own copy of the socket and closes it.
func Send(line *net.UnixConn, h Handover, socket syscall.Conn) error {
	id := h.ID
	raw, err := socket.SyscallConn()
	if err != nil {
		return fmt.Errorf("handing socket %d over: %w", id, err)
	}
	var sendErr error
	err = raw.Control(func(fd uintptr) {
		_, _, sendErr = line.WriteMsgUnix(h.packet(), unix.UnixRights(int(fd)), nil)
	})
	if err = errors.Join(err, sendErr); err != nil {
		return fmt.Errorf("handing socket %d over: %w", id, err)
	}
	var answer [messageBytes]byte
	n, err := line.Read(answer[:])
	if err != nil {
		return fmt.Errorf("waiting for socket %d to be taken over: %w", id, err)
	}
	if got := binary.BigEndian.Uint64(answer[:]); n != messageBytes || got != id {
		return fmt.Errorf("waiting for socket %d to be taken over: %d was confirmed instead", id, got)
	}
	return nil
}

// End asks the other side to end. It never blocks: a line without room belongs to a
// process that reads nothing, and would not read this either.
func End(line *net.UnixConn) error {
	raw, err := line.SyscallConn()
	if err != nil {
		return fmt.Errorf("asking for the end: %w", err)
	}
	var sendErr error
	err = raw.Control(func(fd uintptr) {
		sendErr = unix.Send(int(fd), make([]byte, messageBytes), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
	})
	if err = errors.Join(err, sendErr); err != nil {
		return fmt.Errorf("asking for the end: %w", err)
	}
	return nil
}

// Receive waits for a socket, confirms it and returns it with what came with it. It
// returns ErrEnd when the other side asks to end, and io.EOF when it is gone.
func Receive(line *net.UnixConn) (h Handover, socket net.Conn, err error) {
	var msg [timedBytes + 1]byte
	oob := make([]byte, unix.CmsgSpace(4))
	n, oobn, flags, _, err := line.ReadMsgUnix(msg[:], oob)
	if err != nil {
		return h, nil, fmt.Errorf("receiving a socket: %w", err)
	}
	if n == 0 {
		return h, nil, io.EOF
	}
	fds, err := rightsIn(oob[:oobn])
	h, ok := handoverOf(msg[:n])
	if err == nil && n == messageBytes && len(fds) == 0 && h.ID == 0 {
		return h, nil, ErrEnd
	}
	if err != nil || !ok || len(fds) != 1 || flags&unix.MSG_CTRUNC != 0 {
		for _, fd := range fds {
			unix.Close(fd)
		}
		return h, nil, fmt.Errorf("receiving a socket: packet of %d bytes with %d descriptors is not a handover: %w", n,
			len(fds), errors.Join(err, os.ErrInvalid))
	}
	unix.CloseOnExec(fds[0])
	f := os.NewFile(uintptr(fds[0]), "client socket")
	socket, err = net.FileConn(f)
	f.Close()
	if err != nil {
		return h, nil, fmt.Errorf("receiving a socket: %w", err)
	}
	// A parent that died after it sent the socket hears no confirmation; the socket is the
	// child's all the same.
	_, err = line.Write(msg[:messageBytes])
	if err != nil && !errors.Is(err, unix.EPIPE) && !errors.Is(err, unix.ECONNRESET) {
		socket.Close()
		return h, nil, fmt.Errorf("confirming a socket: %w", err)
	}
	return h, socket, nil
}

// Gone reports whether the other side is gone, without waiting and without taking
// anything from the line.
func Gone(line *net.UnixConn) bool {
	raw, err := line.SyscallConn()
	if err != nil {
		return false
	}
	gone := false
	_ = raw.Control(func(fd uintptr) { // it fails only for a line that this side has closed
		n, _, err := unix.Recvfrom(int(fd), make([]byte, messageBytes), unix.MSG_PEEK|unix.MSG_DONTWAIT)
		gone = n == 0 && err == nil || errors.Is(err, unix.ECONNRESET)
	})
	return gone
}

// rightsIn returns the descriptors in control data.
func rightsIn(oob []byte) ([]int, error) {
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, err
	}
	var fds []int
	for i := range msgs {
		got, err := unix.ParseUnixRights(&msgs[i])
		if err != nil {
			return fds, err
		}
		fds = append(fds, got...)
	}
	return fds, nil
}
