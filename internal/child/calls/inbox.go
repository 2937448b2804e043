package calls

import (
	"encoding/binary"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// largeBytes is the size of a buffer for what comes in more than a frame, or in a large one.
const largeBytes = 64 << 10

// buffers are such buffers. Nobody has one while nothing comes.
var buffers = sync.Pool{New: func() any { return new([largeBytes]byte) }}

// inbox is what has come of a call and was not received, as it came.
type inbox struct {
	data  []byte
	begin int               // where in data the next message begins
	large *[largeBytes]byte // that data is in; nil if it is not
	lent  bool              // the next message is being looked at: it stays where it is
}

// some reports whether there is anything.
func (in *inbox) some() bool { return len(in.data) > in.begin }

// add adds what has come.
func (in *inbox) add(b []byte) {
	if in.data == nil && len(b) > largeBytes/32 {
		in.large = buffers.Get().(*[largeBytes]byte)
		in.data = in.large[:0]
	}
	if rest := in.data[in.begin:]; in.begin > 0 && len(in.data)+len(b) > cap(in.data) {
		if in.lent {
			in.data, in.large = append(make([]byte, 0, len(rest)+len(b)), rest...), nil
		} else {
			in.data = in.data[:copy(in.data, rest)]
		}
		in.begin = 0
	}
	if len(in.data)+len(b) > cap(in.data) {
		in.large = nil // what is lent is there
	}
	in.data = append(in.data, b...)
}

// message returns the next message if the whole of it is there; nil if it is not.
func (in *inbox) message(most int) ([]byte, error) {
	data := in.data[in.begin:]
	if len(data) < prefixBytes {
		return nil, nil
	}
	size := binary.BigEndian.Uint32(data[1:])
	switch {
	case data[0] != 0:
		return nil, status.Errorf(codes.Internal, "grpc: received a message with the flags %#x", data[0])
	case uint64(size) > uint64(most):
		return nil, status.Errorf(codes.ResourceExhausted, "grpc: received message larger than max (%d vs. %d)", size,
			most)
	case len(data)-prefixBytes < int(size):
		return nil, nil
	}
	in.lent = true
	return data[prefixBytes : prefixBytes+int(size)], nil
}

// take takes n bytes, of a message that was lent.
func (in *inbox) take(n int) {
	in.lent = false
	if in.begin += n; in.begin < len(in.data) {
		return
	}
	switch in.begin = 0; {
	case in.large != nil:
		buffers.Put(in.large)
		in.data, in.large = nil, nil
	case cap(in.data) > largeBytes/16:
		in.data = nil
	default:
		in.data = in.data[:0]
	}
}
