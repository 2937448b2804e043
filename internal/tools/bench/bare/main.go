// Command bare does the least that a Go process in the place of a handler, or of the
// supervisor's end, can do: no gRPC, no protocol, no check. bench measures it as the floor of
// what Bulkhead's cost.
//
//	bare listen PATH    listens on a unix socket, says so, and answers a byte
//	bare relay          passes bytes on between descriptors 3 and 4
//	bare end [FILE]     tells descriptor 3 how many bytes came, when they are durable in FILE
//	bare take FILE      does that for each socket that comes over the line, descriptor 3
//	bare begin AT FILE  makes FILE and writes to it from AT on, by boottime, and prints when it began
package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"bulkhead/internal/boottime"
	"bulkhead/internal/fdpass"
)

func main() {
	if err := run(os.Args[1:]); err != nil && !errors.Is(err, io.EOF) {
		fmt.Fprintln(os.Stderr, "bare:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	args = append(args, "", "", "") // what is missing is empty
	switch args[0] {
	case "listen":
		return listen(args[1])
	case "relay":
		up := make(chan error, 1)
		go func() { up <- relay(3, 4) }() // ends with its descriptors, or the process
		err := relay(4, 3)
		return errors.Join(err, <-up)
	case "end":
		var f *os.File
		if args[1] != "" {
			var err error
			if f, err = os.OpenFile(args[1], os.O_WRONLY, 0); err != nil {
				return err
			}
		}
		return end(3, f)
	case "take":
		return take(args[1])
	case "begin":
		return begin(args[1], args[2])
	}
	return fmt.Errorf("%q: want listen, relay, end, take or begin", args[0])
}

// listen answers one dial, and ends with it.
func listen(path string) error {
	l, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	if _, err := os.Stdout.Write([]byte{'\n'}); err != nil {
		return err
	}
	c, err := l.Accept()
	if err != nil {
		return err
	}
	l.Close()
	_, err = io.Copy(c, c)
	return err
}

// relay passes bytes on until the end.
func relay(from, to int) error {
	buf := make([]byte, 32<<10)
	for {
		n, err := syscall.Read(from, buf)
		if err != nil || n == 0 {
			_ = syscall.Shutdown(to, syscall.SHUT_WR) // the other side may be gone
			return err
		}
		if _, err := syscall.Write(to, buf[:n]); err != nil {
			return err
		}
	}
}

// end answers all that comes over fd with how much that was, first in f if there is one, which
// is as long already as it will be.
func end(fd int, f *os.File) error {
	buf := make([]byte, 32<<10)
	var sum uint64
	var answer [8]byte
	for {
		n, err := syscall.Read(fd, buf)
		if err != nil || n == 0 {
			return err
		}
		if f != nil {
			if _, err := f.Write(buf[:n]); err != nil {
				return err
			}
			if err := unix.Fdatasync(int(f.Fd())); err != nil {
				return err
			}
		}
		sum += uint64(n)
		binary.LittleEndian.PutUint64(answer[:], sum)
		if _, err := syscall.Write(fd, answer[:]); err != nil {
			return err
		}
	}
}

// take serves one socket after the other.
func take(path string) error {
	line, err := fdpass.Open(3)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	for {
		_, socket, err := fdpass.Receive(line)
		if err != nil {
			return err
		}
		file, err := socket.(*net.TCPConn).File() // blocks, as bare does
		socket.Close()
		if err != nil {
			return err
		}
		if err := end(int(file.Fd()), f); err != nil {
			return err
		}
		file.Close()
	}
}

// begin makes a file at a moment, writes a first chunk as a consumer of (l) does, and prints the
// moment of that write.
func begin(at, path string) error {
	moment, err := strconv.ParseInt(at, 10, 64)
	if err != nil {
		return err
	}
	chunk := make([]byte, 64<<10)
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0); err != nil {
		return err
	}
	then := unix.NsecToTimespec(moment)
	for err = unix.EINTR; err == unix.EINTR; {
		err = unix.ClockNanosleep(unix.CLOCK_BOOTTIME, unix.TIMER_ABSTIME, &then, nil)
	}
	if err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	first := boottime.Now()
	_, err = f.Write(chunk)
	_, said := fmt.Println(first)
	return errors.Join(err, said, f.Close())
}
