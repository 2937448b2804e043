package calls

import (
	"encoding/binary"
	"slices"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
)

// chunk is a part of what has come.
type chunk struct {
	data [frameBytes]byte
	end  int // of what is in data
}

// chunks are those that nobody uses. No call has one while nothing comes.
var chunks = sync.Pool{New: func() any { return new(chunk) }}

// inbox is what has come of a call and was not received, as it came.
type inbox struct {
	chunks []*chunk // the oldest first; each but the last is full
	begin  int      // where the next message begins in the first of them
	size   int      // how much there is
	whole  *[]byte  // the next message, put together; nil if it was not
}

// some reports whether there is anything.
func (in *inbox) some() bool { return in.size > 0 }

// add adds what has come. What is there already stays where it is.
func (in *inbox) add(b []byte) {
	in.size += len(b)
	for len(b) > 0 {
		if n := len(in.chunks); n == 0 || in.chunks[n-1].end == frameBytes {
			c := chunks.Get().(*chunk)
			c.end = 0
			in.chunks = append(in.chunks, c)
		}
		last := in.chunks[len(in.chunks)-1]
		n := copy(last.data[last.end:], b)
		last.end += n
		b = b[n:]
	}
}

// copyTo copies what begins at an offset.
func (in *inbox) copyTo(to []byte, at int) {
	at += in.begin
	for _, c := range in.chunks {
		if at >= c.end {
			at -= c.end
			continue
		}
		if to = to[copy(to, c.data[at:c.end]):]; len(to) == 0 {
			return
		}
		at = 0
	}
}

// message returns the next message if the whole of it is there; nil if it is not. It stays as it is
// until it is taken.
func (in *inbox) message(most int) ([]byte, error) {
	if in.size < prefixBytes {
		return nil, nil
	}
	var prefix [prefixBytes]byte
	in.copyTo(prefix[:], 0)
	size := binary.BigEndian.Uint32(prefix[1:])
	switch {
	case prefix[0] != 0:
		return nil, status.Errorf(codes.Internal, "grpc: received a message with the flags %#x", prefix[0])
	case uint64(size) > uint64(most):
		return nil, status.Errorf(codes.ResourceExhausted, "grpc: received message larger than max (%d vs. %d)", size,
			most)
	case in.size-prefixBytes < int(size):
		return nil, nil
	}
	if from := in.begin + prefixBytes; from+int(size) <= in.chunks[0].end {
		return in.chunks[0].data[from : from+int(size)], nil
	}
	in.whole = mem.DefaultBufferPool().Get(int(size))
	in.copyTo(*in.whole, prefixBytes)
	return *in.whole, nil
}

// take takes the n bytes of the next message and of its prefix.
func (in *inbox) take(n int) {
	if in.whole != nil {
		mem.DefaultBufferPool().Put(in.whole)
		in.whole = nil
	}
	in.size -= n
	in.begin += n
	gone := 0
	for _, c := range in.chunks {
		if in.begin < c.end {
			break
		}
		in.begin -= c.end
		chunks.Put(c)
		gone++
	}
	in.chunks = slices.Delete(in.chunks, 0, gone) // and forgets them
}
