package calls

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	grpcproto "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// prefixBytes is what gRPC has before each message: whether it is compressed, and its length.
const prefixBytes = 5

// options are those of grpc.CallOption that are known here.
type options struct{ codec encoding.CodecV2 }

var errOption = errors.New("a grpc.CallOption that is not known here")

func optionsOf(opts []grpc.CallOption) (o options, err error) {
	o.codec = encoding.GetCodecV2(grpcproto.Name)
	for _, opt := range opts {
		switch opt := opt.(type) {
		case grpc.ForceCodecV2CallOption:
			o.codec = opt.CodecV2
		case grpc.StaticMethodCallOption: // of generated code
		default:
			return o, errOption
		}
	}
	return o, nil
}

// call is one call. It implements grpc.ClientStream: one goroutine may send while another receives.
type call struct {
	conn  *Conn
	ctx   context.Context
	codec encoding.CodecV2
	id    uint32 // of its stream

	changed sync.Cond // of conn.mu: anything of what follows, or of conn
	// These are guarded by conn.mu.
	stop    func() bool // has nothing happen at the end of ctx; nil before begin has returned
	room    int64       // how much may be sent
	window  window      // of what comes
	in      inbox
	header  metadata.MD // nil before it has come
	trailer metadata.MD
	over    error // io.EOF if it is over in order; nil if it is not. What has come before can be received
}

// endLocked ends the call, once. conn.mu is held.
func (s *call) endLocked(err error) {
	if s.over != nil {
		return
	}
	s.over = err
	if s.stop != nil {
		s.stop()
	}
	delete(s.conn.calls, s.id)
	s.conn.window.unread -= s.window.unread // the connection is not to have less room for it: see settle
	s.window.unread = 0
	s.changed.Broadcast()
}

// Header implements grpc.ClientStream.
func (s *call) Header() (metadata.MD, error) {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	for s.header == nil && s.over == nil {
		s.changed.Wait()
	}
	if s.header == nil && s.over != io.EOF {
		return nil, s.over
	}
	return s.header, nil
}

// Trailer implements grpc.ClientStream.
func (s *call) Trailer() metadata.MD {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	return s.trailer
}

// Context implements grpc.ClientStream.
func (s *call) Context() context.Context { return s.ctx }

// CloseSend implements grpc.ClientStream.
func (s *call) CloseSend() error {
	_ = s.conn.write(func() error { return s.conn.framer.WriteData(s.id, true, nil) }) // RecvMsg says why it fails
	return nil
}

// SendMsg implements grpc.ClientStream. It returns io.EOF for a call that is over: RecvMsg says why.
func (s *call) SendMsg(m any) error {
	data, err := s.codec.Marshal(m)
	if err != nil {
		return status.Errorf(codes.Internal, "grpc: error while marshaling: %v", err)
	}
	defer data.Free()
	size := data.Len()
	if size > s.conn.o.MaxMessageBytes {
		return status.Errorf(codes.ResourceExhausted, "trying to send message larger than max (%d vs. %d)", size,
			s.conn.o.MaxMessageBytes)
	}
	message := make([]byte, prefixBytes+size)
	binary.BigEndian.PutUint32(message[1:], uint32(size))
	data.CopyTo(message[prefixBytes:])
	for len(message) > 0 {
		n, err := s.reserve(len(message))
		if err != nil {
			return err
		}
		if s.conn.write(func() error { return s.conn.framer.WriteData(s.id, false, message[:n]) }) != nil {
			return io.EOF
		}
		message = message[n:]
	}
	return nil
}

// reserve waits until some of n bytes may be sent, and returns how many.
func (s *call) reserve(n int) (int, error) {
	c := s.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	for s.over == nil && min(s.room, c.room) <= 0 {
		s.changed.Wait()
	}
	if s.over != nil {
		return 0, io.EOF
	}
	some := min(int64(n), s.room, c.room, frameBytes)
	s.room -= some
	c.room -= some
	return int(some), nil
}

// RecvMsg implements grpc.ClientStream.
func (s *call) RecvMsg(m any) error {
	message, err := s.next()
	if err != nil {
		return err
	}
	err = s.codec.Unmarshal(mem.BufferSlice{mem.SliceBuffer(message)}, m)
	s.giveBack(prefixBytes+len(message), true)
	if err != nil {
		return status.Errorf(codes.Internal, "grpc: failed to unmarshal the received message: %v", err)
	}
	return nil
}

// next waits for the next message, which stays where it is until it is taken from in.
func (s *call) next() (message []byte, err error) {
	c := s.conn
	defer func() {
		if err != nil {
			_ = c.settle() // it fails for a connection that has ended
		}
	}()
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		message, err = s.in.message(c.o.MaxMessageBytes)
		switch {
		case err != nil:
			s.endLocked(err)
			s.in = inbox{}
			return nil, err
		case message != nil:
			return message, nil
		case s.over == io.EOF && s.in.some():
			return nil, io.ErrUnexpectedEOF
		case s.over != nil:
			return nil, s.over
		}
		if unread := s.window.unread; unread > 0 { // the rest of a message finds room, however large it is
			c.mu.Unlock()
			s.giveBack(int(unread), false)
			c.mu.Lock()
			continue
		}
		s.changed.Wait()
	}
}

// giveBack lets as much more come as was received: of a message that was taken, or before.
func (s *call) giveBack(n int, taken bool) {
	c := s.conn
	c.mu.Lock()
	if taken {
		s.in.take(n)
	}
	n = int(min(int64(n), s.window.unread)) // the rest was given back before
	mine, all := s.window.received(int64(n)), c.window.received(int64(n))
	if s.over != nil {
		mine = 0
	}
	c.mu.Unlock()
	if mine > 0 || all > 0 {
		_ = c.write(func() error { // it fails for a connection that has ended
			return errors.Join(c.more(s.id, mine), c.more(0, all))
		})
	}
}
