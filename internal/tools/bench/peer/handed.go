package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	"bulkhead/internal/fdpass"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// serveHanded gives each connection to a child that serves its parent by gRPC, too, until accept fails.
func serveHanded(l *net.TCPListener, kept *memory) error {
	for i := uint64(1); ; i++ {
		conn, err := l.AcceptTCP()
		if err != nil {
			return err
		}
		go func() { // ends with the child
			if err := handTo(addressOf(i), i, conn, kept); err != nil {
				fmt.Fprintln(os.Stderr, "peer: a child:", err)
			}
		}()
	}
}

// addressOf returns where the child with a number listens: a name that no file has, so that nothing
// is left of a peer that is killed.
func addressOf(i uint64) string { return fmt.Sprintf("@bulkhead-peer-%d-%d", os.Getpid(), i) }

// target returns what gRPC dials to reach an address.
func target(address string) string { return "unix-abstract:" + strings.TrimPrefix(address, "@") }

// child is a process that serves the one connection that it gets over the line.
type child struct {
	cmd  *exec.Cmd
	line *net.UnixConn
}

// startHanded starts a child, and returns when it listens at an address.
func startHanded(address string) (*child, error) {
	line, its, err := fdpass.Pair()
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, errors.Join(err, line.Close(), its.Close())
	}
	cmd := exec.Command(self, "handed", address)
	cmd.Env, cmd.Stderr, cmd.ExtraFiles = []string{"GOMAXPROCS=1"}, os.Stderr, []*os.File{its}
	ready, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	its.Close()
	if err != nil {
		return nil, errors.Join(err, line.Close())
	}
	c := &child{cmd, line}
	if _, err := ready.Read(make([]byte, 1)); err != nil {
		return nil, errors.Join(err, c.end())
	}
	return c, nil
}

// end ends the child, which ends with its line, whatever it does.
func (c *child) end() error {
	c.line.Close()
	return c.cmd.Wait()
}

// handTo starts a child that listens at an address, gives it the connection, takes its results, and returns
// when it has ended.
func handTo(address string, id uint64, conn *net.TCPConn, kept *memory) error {
	defer conn.Close()
	c, err := startHanded(address)
	if err != nil {
		return err
	}
	return errors.Join(takeHanded(address, id, c.line, conn, kept), c.end())
}

// takeHanded gives the child at an address the connection and takes its results until it has no more.
func takeHanded(address string, id uint64, line *net.UnixConn, conn *net.TCPConn, kept *memory) error {
	client, err := grpc.NewClient(target(address), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer client.Close()
	stream, err := bulkheadv1.NewHandlerServiceClient(client).Serve(context.Background())
	if err != nil {
		return err
	}
	if err := fdpass.Send(line, fdpass.Handover{ID: id}, conn); err != nil {
		return err
	}
	conn.Close()
	return keepHanded(stream, kept)
}

// keepHanded takes what comes of one connection, and answers it, until it is over.
func keepHanded(stream bulkheadv1.HandlerService_ServeClient, kept *memory) error {
	var name string
	for {
		f, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		answer := &bulkheadv1.SupervisorFrame{}
		switch f := f.GetFrame().(type) {
		case *bulkheadv1.HandlerFrame_Hello:
			name = f.Hello.GetName()
			continue
		case *bulkheadv1.HandlerFrame_Batch:
			seq := f.Batch.GetLastSeq()
			kept.put(name, seq)
			answer.Frame = &bulkheadv1.SupervisorFrame_Ack{Ack: &bulkheadv1.Ack{Seq: seq}}
		default:
			answer.Frame = &bulkheadv1.SupervisorFrame_Finish{Finish: &bulkheadv1.Finish{}}
		}
		if err := stream.Send(answer); err != nil {
			return err
		}
	}
}

// handed is a child that serves the parent, who has a call open until the connection is over, and
// the one connection that it gets over the line.
type handed struct {
	bulkheadv1.UnimplementedHandlerServiceServer
	socket chan net.Conn
}

// serveAsHanded does what such a child does.
func serveAsHanded(address string) error {
	line, err := fdpass.Inherited()
	if err != nil {
		return err
	}
	l, err := net.Listen("unix", address)
	if err != nil {
		return err
	}
	h := &handed{socket: make(chan net.Conn, 1)}
	srv := grpc.NewServer()
	bulkheadv1.RegisterHandlerServiceServer(srv, h)
	if _, err := os.Stdout.Write([]byte{'\n'}); err != nil {
		return err
	}
	go srv.Serve(l) // ends with the process
	_, socket, err := fdpass.Receive(line)
	if err != nil {
		return err
	}
	h.socket <- socket
	_, _, err = fdpass.Receive(line)
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func (h *handed) Serve(stream bulkheadv1.HandlerService_ServeServer) error {
	l := &oneConn{conn: <-h.socket, gone: make(chan struct{})}
	err := newServer(func() results { return &relayed{stream} }).Serve(l)
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// relayed are results in the parent, over its call.
type relayed struct {
	up bulkheadv1.HandlerService_ServeServer
}

func (r *relayed) begin(name string) error {
	return r.up.Send(&bulkheadv1.HandlerFrame{
		Frame: &bulkheadv1.HandlerFrame_Hello{Hello: &bulkheadv1.Hello{Name: name}}})
}

func (r *relayed) put(b *bulkheadv1.Batch) error {
	m := b.GetMessages()
	data, err := proto.Marshal(b)
	if err != nil {
		return err
	}
	return r.up.Send(&bulkheadv1.HandlerFrame{Frame: &bulkheadv1.HandlerFrame_Batch{Batch: &bulkheadv1.SealedBatch{
		FirstSeq: m[0].GetSeq(), LastSeq: m[len(m)-1].GetSeq(), Batch: data}}})
}

func (r *relayed) each(kept func(uint64) error) error {
	for {
		f, err := r.up.Recv()
		if err != nil || f.GetFinish() != nil {
			return nil // the connection is over, or the parent gone
		}
		if err := kept(f.GetAck().GetSeq()); err != nil {
			return err
		}
	}
}

// end says that nothing more comes, which is answered last.
func (r *relayed) end() error {
	return r.up.Send(&bulkheadv1.HandlerFrame{
		Frame: &bulkheadv1.HandlerFrame_Goodbye{Goodbye: &bulkheadv1.Goodbye{}}})
}
