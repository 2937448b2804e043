package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"bulkhead/internal/fdpass"
)

const (
	// recordBytes is as long as one message of (b) on its way.
	recordBytes = 128
	// roundTrips are timed one after the other, and hopFor is how long they are sent in a stream.
	roundTrips = 500
	hopFor     = time.Second
	// zeroed is how long a file is that a bare end writes to.
	zeroed = 64 << 20
)

// hop is how fast records go there and answers come back.
type hop struct {
	trip   float64 // µs, one at a time
	stream float64 // records a second, window on their way
}

// bareChain runs bare processes between a TCP connection, or a pair of sockets, and the end.
type bareChain struct {
	fd   int // this side; blocks
	cmds []*exec.Cmd
}

// chain starts bare ends, with one process between if relayed; file is where they write, if not
// empty.
func chain(bare string, tcp, relayed bool, file string) (*bareChain, error) {
	near, far, err := pair(tcp)
	if err != nil {
		return nil, err
	}
	c := &bareChain{fd: near}
	if relayed {
		down, up, err := pair(false)
		if err != nil {
			return nil, err
		}
		err = c.start(bare, []int{far, down}, "relay")
		if err != nil {
			return nil, err
		}
		far = up
	}
	return c, c.start(bare, []int{far}, "end", file)
}

// start starts one with descriptors from 3 on, which are closed here.
func (c *bareChain) start(bare string, fds []int, args ...string) error {
	cmd := exec.Command(bare, args...)
	cmd.Stderr = os.Stderr
	for _, fd := range fds {
		f := os.NewFile(uintptr(fd), "")
		defer f.Close()
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	c.cmds = append(c.cmds, cmd)
	return nil
}

// close ends the processes, after what they still have to say: a reset would be an error to them.
func (c *bareChain) close() error {
	err := syscall.Shutdown(c.fd, syscall.SHUT_WR)
	for buf := make([]byte, 64); err == nil; {
		n, e := syscall.Read(c.fd, buf)
		if err = e; n == 0 {
			break
		}
	}
	err = errors.Join(err, syscall.Close(c.fd))
	for _, cmd := range c.cmds {
		err = errors.Join(err, cmd.Wait())
	}
	return err
}

// pair returns both ends of a connection as descriptors that block.
func pair(tcp bool) (near, far int, err error) {
	if !tcp {
		fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
		return fds[0], fds[1], err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, 0, err
	}
	defer l.Close()
	dialled, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return 0, 0, err
	}
	defer dialled.Close()
	accepted, err := l.Accept()
	if err != nil {
		return 0, 0, err
	}
	defer accepted.Close()
	if near, err = blocking(dialled); err != nil {
		return 0, 0, err
	}
	far, err = blocking(accepted)
	return near, far, err
}

// blocking returns a descriptor of its own of a connection.
func blocking(c net.Conn) (int, error) {
	f, err := c.(*net.TCPConn).File()
	if err != nil {
		return 0, err
	}
	defer f.Close()
	fd, err := syscall.Dup(int(f.Fd())) // Fd lets it block
	syscall.CloseOnExec(fd)
	return fd, err
}

// measure sends records, one at a time and then in a stream.
func (c *bareChain) measure() (hop, error) {
	var trips spread
	var sum uint64
	record, answer := make([]byte, recordBytes), make([]byte, 8)
	for range roundTrips {
		began := time.Now()
		if _, err := syscall.Write(c.fd, record); err != nil {
			return hop{}, err
		}
		sum += recordBytes
		if err := c.await(sum, answer); err != nil {
			return hop{}, err
		}
		trips = append(trips, float64(time.Since(began).Nanoseconds())/1e3)
	}
	var acked, last atomic.Uint64
	acked.Store(sum)
	last.Store(1 << 62)
	first, began := sum, time.Now()
	room := make(chan struct{}, 1)
	received := make(chan error, 1)
	go func() { // ends when the last record is answered
		answer := make([]byte, 8)
		for acked.Load() < last.Load() {
			if n, err := syscall.Read(c.fd, answer); err != nil || n != len(answer) {
				received <- fmt.Errorf("an answer of %d bytes: %w", n, err)
				close(room)
				return
			}
			acked.Store(binary.LittleEndian.Uint64(answer))
			select {
			case room <- struct{}{}:
			default: // there is room already
			}
		}
		received <- nil
	}()
	for time.Since(began) < hopFor {
		for sum-acked.Load() >= window*recordBytes {
			if _, more := <-room; !more {
				return hop{}, <-received
			}
		}
		if _, err := syscall.Write(c.fd, record); err != nil {
			return hop{}, err
		}
		sum += recordBytes
	}
	last.Store(sum)
	if _, err := syscall.Write(c.fd, record); err != nil { // wakes the one that waits for answers
		return hop{}, err
	}
	err := <-received
	return hop{trip: trips.median(), stream: float64(sum-first) / recordBytes / time.Since(began).Seconds()}, err
}

// await reads answers until so many bytes are.
func (c *bareChain) await(sum uint64, answer []byte) error {
	for {
		if n, err := syscall.Read(c.fd, answer); err != nil || n != len(answer) {
			return fmt.Errorf("an answer of %d bytes: %w", n, err)
		}
		if binary.LittleEndian.Uint64(answer) >= sum {
			return nil
		}
	}
}

// measureChain starts a chain, measures it and ends it.
func (b *bench) measureChain(bare string, tcp, relayed, durable bool) (hop, error) {
	file := ""
	if durable {
		file = filepath.Join(b.dir, "bare.end")
		if err := writeZeroes(file, zeroed); err != nil {
			return hop{}, err
		}
		defer os.Remove(file)
	}
	c, err := chain(bare, tcp, relayed, file)
	if err != nil {
		return hop{}, err
	}
	h, err := c.measure()
	return h, errors.Join(err, c.close())
}

// handovers times connections that are accepted here, handed to a process that waits, and have
// their first record made durable and answered: ms each.
func (b *bench) handovers(bare string, n int) (_ spread, err error) {
	file := filepath.Join(b.dir, "bare.take")
	if err := writeZeroes(file, zeroed); err != nil {
		return nil, err
	}
	defer os.Remove(file)
	line, inherited, err := fdpass.Pair()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(bare, "take", file)
	cmd.Stderr, cmd.ExtraFiles = os.Stderr, []*os.File{inherited}
	err = cmd.Start()
	inherited.Close()
	if err != nil {
		return nil, err
	}
	defer func() {
		line.Close()
		err = errors.Join(err, cmd.Wait())
	}()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer l.Close()
	go func() { // ends with l
		for id := uint64(1); ; id++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = fdpass.Send(line, fdpass.Handover{ID: id}, c.(*net.TCPConn)) // the client sees that nobody answers
			c.Close()
		}
	}()
	var all spread
	record := make([]byte, recordBytes)
	for range n {
		began := time.Now()
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			return nil, err
		}
		if _, err = c.Write(record); err == nil {
			_, err = c.Read(make([]byte, 8))
		}
		all = append(all, float64(time.Since(began).Microseconds())/1e3)
		c.Close()
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}
