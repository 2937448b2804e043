package door

import (
	"encoding/binary"

	"golang.org/x/net/http2"
)

// frameHeaderBytes is the length of what every HTTP/2 frame begins with: its length (3),
// its type, its flags, its stream (4). See RFC 9113, 4.1.
const frameHeaderBytes = 9

// opening finds the first stream that a client opens. It steps from frame to frame and
// looks at nothing in them. The zero value is ready.
type opening struct {
	preface int // bytes of the preface that came
	header  [frameHeaderBytes]byte
	have    int // bytes of header
	skip    int // bytes of the frame that are still to come
}

// take takes the next bytes. more says that it is not yet known what the client does; otherwise
// stream is what it opened, and 0 if it does not speak HTTP/2.
func (o *opening) take(p []byte) (stream uint32, more bool) {
	for len(p) > 0 {
		switch {
		case o.preface < len(http2.ClientPreface):
			if p[0] != http2.ClientPreface[o.preface] {
				return 0, false
			}
			o.preface++
			p = p[1:]
		case o.skip > 0:
			n := min(o.skip, len(p))
			o.skip -= n
			p = p[n:]
		default:
			n := copy(o.header[o.have:], p)
			o.have += n
			p = p[n:]
			if o.have < frameHeaderBytes {
				break
			}
			o.have = 0
			if http2.FrameType(o.header[3]) == http2.FrameHeaders {
				stream = binary.BigEndian.Uint32(o.header[5:]) &^ (1 << 31)
				if stream%2 == 0 { // not a client's
					stream = 0
				}
				return stream, false
			}
			o.skip = int(o.header[0])<<16 | int(o.header[1])<<8 | int(o.header[2])
		}
	}
	return 0, true
}
