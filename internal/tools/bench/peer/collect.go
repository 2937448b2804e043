package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"

	"google.golang.org/protobuf/proto"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// results is where the messages of one client go.
type results interface {
	// begin says whose they are.
	begin(name string) error
	// put keeps a batch. What is kept by then is acknowledged by kept.
	put(b *bulkheadv1.Batch) error
	// each calls kept with the number of the last message that is kept, again and again, until
	// all that was put is and end was called.
	each(kept func(seq uint64) error) error
	end() error
}

// collector serves clients.
type collector struct {
	bulkheadv1.UnimplementedCollectorServiceServer
	open func() results
}

func (c *collector) Collect(stream bulkheadv1.CollectorService_CollectServer) error {
	f, err := stream.Recv()
	if err != nil {
		return err
	}
	r := c.open()
	if err := r.begin(f.GetHello().GetName()); err != nil {
		return err
	}
	// The session is named after the process that serves it: bench is to crash that.
	if err := stream.Send(&bulkheadv1.ServerFrame{Frame: &bulkheadv1.ServerFrame_Welcome{
		Welcome: &bulkheadv1.Welcome{SessionId: fmt.Sprint(os.Getpid())}}}); err != nil {
		return err
	}
	acks := make(chan error, 1)
	go func() { // ends with r
		acks <- r.each(func(seq uint64) error {
			return stream.Send(&bulkheadv1.ServerFrame{
				Frame: &bulkheadv1.ServerFrame_Ack{Ack: &bulkheadv1.Ack{Seq: seq}}})
		})
	}()
	err = receive(stream, r)
	return errors.Join(err, r.end(), <-acks)
}

// receive puts batches into r until the client says Goodbye or is gone.
func receive(stream bulkheadv1.CollectorService_CollectServer, r results) error {
	for {
		f, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		b := f.GetBatch()
		if len(b.GetMessages()) == 0 {
			return nil
		}
		if err := r.put(b); err != nil {
			return err
		}
	}
}

// direct are results in the same process.
type direct struct {
	in   *memory
	name string
	done chan uint64
}

// results returns where the messages of a client of this process go.
func (m *memory) results() results { return &direct{in: m, done: make(chan uint64, 64)} }

func (d *direct) begin(name string) error { d.name = name; return nil }

func (d *direct) put(b *bulkheadv1.Batch) error {
	seq := b.Messages[len(b.Messages)-1].GetSeq()
	d.in.put(d.name, seq)
	d.done <- seq
	return nil
}

func (d *direct) each(kept func(uint64) error) error {
	var failed error
	for seq := range d.done { // to the end, so that put never waits for nobody
		if failed == nil {
			failed = kept(seq)
		}
	}
	return failed
}

func (d *direct) end() error { close(d.done); return nil }

// pipe are results in the parent, over a stream of frames: a length in four bytes, and the name
// first, then batches. The parent answers each batch with a number in eight bytes.
type pipe struct {
	conn *net.UnixConn
	over atomic.Bool // nothing more is put
}

func newPipe(conn net.Conn) results { return &pipe{conn: conn.(*net.UnixConn)} }

func (p *pipe) frame(data []byte) error {
	_, err := p.conn.Write(append(binary.LittleEndian.AppendUint32(nil, uint32(len(data))), data...))
	return err
}

func (p *pipe) begin(name string) error { return p.frame([]byte(name)) }

func (p *pipe) put(b *bulkheadv1.Batch) error {
	data, err := proto.Marshal(b)
	if err != nil {
		return err
	}
	return p.frame(data)
}

func (p *pipe) each(kept func(uint64) error) error {
	for {
		var seq [8]byte
		if _, err := io.ReadFull(p.conn, seq[:]); err != nil && p.over.Load() {
			return nil
		} else if err != nil {
			os.Exit(1) // the parent is gone, and with it all results
		}
		if err := kept(binary.LittleEndian.Uint64(seq[:])); err != nil {
			return err
		}
	}
}

// end says that nothing more comes; the parent answers what is on its way, and hangs up.
func (p *pipe) end() error {
	p.over.Store(true)
	return p.conn.CloseWrite()
}

// keep takes the results of a child until it has no more.
func keep(up net.Conn, kept *memory) error {
	var name string
	for first := true; ; first = false {
		var size [4]byte
		if _, err := io.ReadFull(up, size[:]); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		data := make([]byte, binary.LittleEndian.Uint32(size[:]))
		if _, err := io.ReadFull(up, data); err != nil {
			return err
		}
		if first {
			name = string(data)
			continue
		}
		var b bulkheadv1.Batch
		if err := proto.Unmarshal(data, &b); err != nil {
			return err
		}
		seq := b.Messages[len(b.Messages)-1].GetSeq()
		kept.put(name, seq)
		if _, err := up.Write(binary.LittleEndian.AppendUint64(nil, seq)); err != nil {
			return err
		}
	}
}
