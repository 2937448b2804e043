package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"bulkhead/internal/fdpass"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

const (
	// warm is how many children wait for connections, as a supervisor's handlers do. The next one is
	// started when a connection is over, so that no start takes of the time of one: it is a floor.
	warm = 8
	// warmOfMany is how many wait where clients stay: there the next one is started as one is taken.
	warmOfMany = 16
	// fileBytes is how long the file is in which batches are kept: full of zeroes, and begun anew at its end.
	fileBytes = 64 << 20
	// together is how many batches one fdatasync waits for at most.
	together = 1024
)

// answer is an answer to a child that waits until all that came before it is on the disk.
type answer struct {
	to    bulkheadv1.HandlerService_ServeClient
	data  []byte // of a batch
	frame *bulkheadv1.SupervisorFrame
}

// disk makes batches durable, those that came meanwhile together.
type disk struct {
	file *os.File
	at   int64
	in   chan answer
}

// newDisk makes the file in a folder. It goes with the process.
func newDisk(folder string) (*disk, error) {
	f, err := os.CreateTemp(folder, "kept-")
	if err != nil {
		return nil, err
	}
	if err := errors.Join(os.Remove(f.Name()), writeZeroes(f), f.Sync()); err != nil {
		return nil, err
	}
	return &disk{file: f, in: make(chan answer, together)}, nil
}

func writeZeroes(f *os.File) error {
	zeroes := make([]byte, 1<<20)
	for range fileBytes / len(zeroes) {
		if _, err := f.Write(zeroes); err != nil {
			return err
		}
	}
	return nil
}

// run keeps what comes until something fails.
func (d *disk) run() error {
	var data []byte
	var answers []answer
	for first := range d.in {
		data, answers = append(data[:0], first.data...), append(answers[:0], first)
		for more := true; more && len(answers) < together; {
			select {
			case a := <-d.in:
				data, answers = append(data, a.data...), append(answers, a)
			default:
				more = false
			}
		}
		if len(data) > 0 {
			if d.at+int64(len(data)) > fileBytes {
				d.at = 0
			}
			if _, err := d.file.WriteAt(data, d.at); err != nil {
				return err
			}
			if err := unix.Fdatasync(int(d.file.Fd())); err != nil {
				return err
			}
			d.at += int64(len(data))
		}
		for i, a := range answers {
			if i+1 < len(answers) && answers[i+1].to == a.to && answers[i+1].frame.GetAck() != nil {
				continue // the next one says it, too
			}
			_ = a.to.Send(a.frame) // its client may be gone
		}
	}
	return nil
}

// ready is a child that waits for a connection.
type ready struct {
	*child
	client *grpc.ClientConn
	stream bulkheadv1.HandlerService_ServeClient
}

// serveKept gives each connection to a child that waits for one, and keeps what comes in a file of folder,
// until accept fails. Of children there are no more than are warm, or, for many, one more for each client.
func serveKept(l *net.TCPListener, folder string, many bool, kept *memory) error {
	d, err := newDisk(folder)
	if err != nil {
		return err
	}
	size := warm
	if many {
		size = warmOfMany
	}
	failed := make(chan error, 1+size)
	go func() { failed <- d.run() }() // ends with the process
	waiting := make(chan *ready, size)
	var started atomic.Uint64
	start := func() {
		c, err := startReady(addressOf(started.Add(1)))
		if err != nil {
			select {
			case failed <- err:
			default: // the first is enough
			}
			return
		}
		waiting <- c
	}
	for range size {
		start()
	}
	for i := uint64(1); ; i++ {
		conn, err := l.AcceptTCP()
		if err != nil {
			return err
		}
		select {
		case err := <-failed:
			return err
		case c := <-waiting:
			if many {
				go start() // ends when the child is taken, or with the process
			}
			go func() { // ends with the child
				if err := c.keep(i, conn, d, kept); err != nil {
					fmt.Fprintln(os.Stderr, "peer: a child:", err)
				}
				if !many {
					start()
				}
			}()
		}
	}
}

// startReady starts a child that listens at an address, and calls it.
func startReady(address string) (*ready, error) {
	c, err := startHanded(address)
	if err != nil {
		return nil, err
	}
	r := &ready{child: c}
	r.client, err = grpc.NewClient(target(address), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err == nil {
		r.stream, err = bulkheadv1.NewHandlerServiceClient(r.client).Serve(context.Background())
	}
	if err != nil {
		return nil, errors.Join(err, c.end())
	}
	return r, nil
}

// keep gives the child the connection, and keeps what comes of it, until it is over and the child has
// ended.
func (r *ready) keep(id uint64, conn *net.TCPConn, d *disk, kept *memory) error {
	err := fdpass.Send(r.line, fdpass.Handover{ID: id}, conn)
	conn.Close()
	if err == nil {
		err = r.take(d, kept)
	}
	r.client.Close()
	return errors.Join(err, r.end())
}

// take passes what comes to the disk, which answers it.
func (r *ready) take(d *disk, kept *memory) error {
	var name string
	for {
		f, err := r.stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		a := answer{to: r.stream, frame: &bulkheadv1.SupervisorFrame{}}
		switch f := f.GetFrame().(type) {
		case *bulkheadv1.HandlerFrame_Hello:
			name = f.Hello.GetName()
			continue
		case *bulkheadv1.HandlerFrame_Batch:
			seq := f.Batch.GetLastSeq()
			kept.put(name, seq)
			a.data = f.Batch.GetBatch()
			a.frame.Frame = &bulkheadv1.SupervisorFrame_Ack{Ack: &bulkheadv1.Ack{Seq: seq}}
		default:
			a.frame.Frame = &bulkheadv1.SupervisorFrame_Finish{Finish: &bulkheadv1.Finish{}}
		}
		d.in <- a
	}
}
