// Command peer is a collector as it is usually built, for bench to compare with: a goroutine
// for each client in one process, or the classical server that accepts, forks and serves, with
// a new process for each connection. All check and keep nothing but the number of the last
// message of each client, in memory, and acknowledge what is there. Handed is forks in Bulkhead's
// shape: the new process listens on a unix socket, says so, gets the connection by SCM_RIGHTS, and
// serves its parent by gRPC as it does its client. It is the floor of what such a process takes.
// Kept is handed with what Bulkhead promises, and nothing else: processes wait for connections, and
// the parent acknowledges what is on the disk, in a file of FOLDER, with one fdatasync for all that
// came meanwhile. Many is kept for clients that stay: a process is started for each that comes.
//
//	peer goroutines | forks | handed | kept FOLDER | many FOLDER
//
// The first line on stdout is the address. At the end of stdin it prints a line for each
// client, its name and the number of its last message, and ends.
package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"

	"google.golang.org/grpc"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "peer:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 1 && args[0] == "goroutines":
		kept := &memory{}
		return listen(kept, func(l net.Listener) error {
			return newServer(kept.results).Serve(l)
		})
	case len(args) == 1 && args[0] == "forks":
		kept := &memory{}
		return listen(kept, func(l net.Listener) error { return serveForks(l.(*net.TCPListener), kept) })
	case len(args) == 1 && args[0] == "handed":
		kept := &memory{}
		return listen(kept, func(l net.Listener) error { return serveHanded(l.(*net.TCPListener), kept) })
	case len(args) == 2 && (args[0] == "kept" || args[0] == "many"):
		kept := &memory{}
		return listen(kept, func(l net.Listener) error {
			return serveKept(l.(*net.TCPListener), args[1], args[0] == "many", kept)
		})
	case len(args) == 1 && args[0] == "child":
		return serveOne()
	case len(args) == 2 && args[0] == "handed":
		return serveAsHanded(args[1])
	}
	return fmt.Errorf("%q: want goroutines, forks, handed, kept FOLDER or many FOLDER", args)
}

// listen serves until stdin ends, and prints what was kept.
func listen(kept *memory, serve func(net.Listener) error) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	failed := make(chan error, 1)
	go func() { failed <- serve(l) }() // ends with the process
	ended := make(chan struct{})
	go func() { _, _ = io.Copy(io.Discard, os.Stdin); close(ended) }()
	select {
	case err := <-failed:
		return err
	case <-ended:
		kept.print()
		return nil
	}
}

// newServer returns a gRPC server with the windows of a handler's.
func newServer(open func() results) *grpc.Server {
	srv := grpc.NewServer(grpc.StaticStreamWindowSize(1<<20), grpc.StaticConnWindowSize(1<<20))
	bulkheadv1.RegisterCollectorServiceServer(srv, &collector{open: open})
	return srv
}

// memory is what a process keeps of its clients.
type memory struct {
	mu   sync.Mutex
	last map[string]uint64 // guarded by mu; by name
}

func (m *memory) put(name string, seq uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.last == nil {
		m.last = make(map[string]uint64)
	}
	m.last[name] = seq
}

func (m *memory) print() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, seq := range m.last {
		fmt.Println(name, seq)
	}
}

// serveForks accepts, forks and serves, until accept fails.
func serveForks(l *net.TCPListener, kept *memory) error {
	for {
		conn, err := l.AcceptTCP()
		if err != nil {
			return err
		}
		go func() { // ends with the child
			if err := fork(conn, kept); err != nil {
				fmt.Fprintln(os.Stderr, "peer: a child:", err)
			}
		}()
	}
}

// fork starts a child with the connection, takes its results, and returns when it has ended.
func fork(conn *net.TCPConn, kept *memory) error {
	socket, err := conn.File()
	conn.Close()
	if err != nil {
		return err
	}
	defer socket.Close()
	ends, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	far := os.NewFile(uintptr(ends[1]), "results")
	near := os.NewFile(uintptr(ends[0]), "results")
	defer near.Close()
	self, err := os.Executable()
	if err != nil {
		far.Close()
		return err
	}
	cmd := exec.Command(self, "child")
	cmd.Stderr, cmd.ExtraFiles = os.Stderr, []*os.File{socket, far}
	err = cmd.Start()
	far.Close()
	if err != nil {
		return err
	}
	socket.Close()
	up, err := net.FileConn(near)
	if err == nil {
		near.Close()
		err = keep(up, kept)
		up.Close()
	}
	return errors.Join(err, cmd.Wait())
}

// serveOne does what a child does: it serves the connection that is descriptor 3, with its results over
// descriptor 4.
func serveOne() error {
	socket, err := net.FileConn(os.NewFile(3, "client"))
	if err != nil {
		return err
	}
	up, err := net.FileConn(os.NewFile(4, "results"))
	if err != nil {
		return err
	}
	l := &oneConn{conn: socket, gone: make(chan struct{})}
	err = newServer(func() results { return newPipe(up) }).Serve(l)
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// oneConn is a listener with one connection, which it ends with.
type oneConn struct {
	conn net.Conn
	once sync.Once
	gone chan struct{} // closed with the connection
}

func (l *oneConn) Accept() (net.Conn, error) {
	if c := l.conn; c != nil {
		l.conn = nil
		return &ending{Conn: c, l: l}, nil
	}
	<-l.gone
	return nil, io.EOF
}

func (l *oneConn) Close() error   { return nil }
func (l *oneConn) Addr() net.Addr { return &net.TCPAddr{} }

// ending is the connection of a oneConn.
type ending struct {
	net.Conn
	l *oneConn
}

func (e *ending) Close() error {
	defer e.l.once.Do(func() { close(e.l.gone) })
	return e.Conn.Close()
}
