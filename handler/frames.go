package handler

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"golang.org/x/net/http2"
)

const (
	// frameHeaderBytes is the length of a frame's header: length (3), type (1), flags (1),
	// stream (4); RFC 9113, section 4.1.
	frameHeaderBytes = 9
	// maxFrameBytes is the largest frame that HTTP/2 allows a client that was told nothing
	// else, and it is told nothing else.
	maxFrameBytes = 16 << 10
	// keptBytes is how much of a frame's payload is kept, such as a GOAWAY's words, and
	// keptHeaders how much of one with headers.
	keptBytes   = 256
	keptHeaders = 4 << 10
	// maxRequests is how many requests are kept of a client that opens no Collect stream.
	maxRequests = 4
	// maxAnswered is how many streams are remembered as answered.
	maxAnswered = 64
	// maxServed is how many streams are known as served at once; what is sent on others counts as
	// nothing said.
	maxServed = 64
)

// A client's frames that carry nothing of use are paid from a purse: it fills with time
// and with what is really said, so that pings in answer to every word, and keepalives as
// often as any library sends them, are free. The read loop answers pings, and the answers
// do not pile up; what is bounded here is the work: who floods, is cut off and comes again
// finds a full purse, so that is small, and who only sends such frames, and says nothing, comes to
// its end.
const (
	purseMost      = 2000
	purseASecond   = 10
	purseASentence = 4  // for a frame of data in either direction
	headersCost    = 10 // a stream that is opened, and reset at once, costs more than a ping
	// smallData is up to what length a frame of data counts as empty. A whole Batch of one
	// message is longer.
	smallData = 32
)

// frames follows the HTTP/2 frames in one direction of a connection, however their bytes
// are cut. It keeps the last header and a few bytes, and changes nothing.
type frames struct {
	header [frameHeaderBytes]byte
	have   int    // bytes of header
	left   int    // bytes of the payload that are still to come
	kept   []byte // the first bytes of the payload, at most room
	room   int
	count  uint64 // headers seen
	// begun is called at the header of each frame.
	begun func(f frameHeader)
	// whole is called at the end of each frame, payload holding its first bytes.
	whole func(f frameHeader, payload []byte)
}

// frameHeader is what begins a frame.
type frameHeader struct {
	length int
	kind   http2.FrameType
	flags  http2.Flags
	stream uint32
}

func (f frameHeader) String() string {
	return fmt.Sprintf("%s of %d bytes on stream %d", f.kind, f.length, f.stream)
}

// last returns the header of the frame that was seen last, whole or not.
func (s *frames) last() frameHeader {
	return frameHeader{
		length: int(s.header[0])<<16 | int(s.header[1])<<8 | int(s.header[2]), kind: http2.FrameType(s.header[3]),
		flags: http2.Flags(s.header[4]), stream: binary.BigEndian.Uint32(s.header[5:]) &^ (1 << 31),
	}
}

// between reports whether the last frame has come whole and none has begun.
func (s *frames) between() bool { return s.have == 0 && s.left == 0 }

func (s *frames) scan(p []byte) {
	for len(p) > 0 {
		if s.left > 0 {
			n := min(s.left, len(p))
			s.kept = append(s.kept, p[:min(n, s.room-len(s.kept))]...)
			s.left -= n
			p = p[n:]
		} else {
			n := copy(s.header[s.have:], p)
			s.have += n
			p = p[n:]
			if s.have < frameHeaderBytes {
				return
			}
			s.count++
			f := s.last()
			s.begun(f)
			s.have, s.left, s.kept, s.room = 0, f.length, s.kept[:0], keptBytes
			switch f.kind {
			case http2.FrameData:
				s.room = 1 // how much of it is padding
			case http2.FrameHeaders:
				s.room = keptHeaders
			}
		}
		if s.left == 0 {
			s.whole(s.last(), s.kept)
		}
	}
}

// purse is what a client may still send of frames that carry nothing.
type purse struct {
	left float64
	at   time.Duration // when it was filled last
}

// fill adds what the time has brought.
func (p *purse) fill(now time.Duration) {
	p.add((now - p.at).Seconds() * purseASecond)
	p.at = now
}

func (p *purse) add(n float64) { p.left = min(purseMost, p.left+n) }

// pay takes what a client's frame costs; said is how much of a frame of data somebody reads.
func (p *purse) pay(f frameHeader, said int) {
	switch {
	case f.kind == http2.FrameData && said > smallData:
		p.add(purseASentence)
	case f.kind == http2.FrameHeaders:
		p.left -= headersCost
	default:
		p.left--
	}
}

// overheard is what is known of a connection from its frames.
type overheard struct {
	in, out frames
	purse   purse
	flood   bool // the client has sent more empty frames than it may
	// resetBy… are the streams that were reset last, and why; nil if none was.
	resetByClient, resetByUs *reset
	oddity                   string          // what is wrong with the first frame that is; "" if none is
	open                     uint32          // the stream whose headers continue in the next frame; 0 if none
	headers                  int             // bytes of the header block that came last
	answered                 map[uint32]bool // streams that were answered to the end, as far as there is room
	served                   map[uint32]bool // streams that have been opened, and not ended by either; likewise
	requests                 requests
	goAwayByClient           string // the words or the code of the client's GOAWAY; "" if it has none
}

// reset is a stream that was reset.
type reset struct {
	stream uint32
	code   http2.ErrCode
}

func newOverheard() *overheard {
	o := &overheard{purse: purse{left: purseMost}, answered: make(map[uint32]bool),
		served: make(map[uint32]bool)}
	o.in.begun = func(f frameHeader) {
		if why := o.odd(f); o.oddity == "" {
			o.oddity = why
		}
	}
	o.in.whole, o.out.begun, o.out.whole = o.fromClient, func(frameHeader) {}, o.toClient
	return o
}

func (o *overheard) fromClient(f frameHeader, payload []byte) {
	o.purse.pay(f, o.said(f, payload))
	o.flood = o.flood || o.purse.left < 0
	switch f.kind {
	case http2.FrameHeaders:
		if len(o.served) < maxServed {
			o.served[f.stream] = true
		}
		o.headers = f.length
		o.requests.keep(f, payload)
	case http2.FrameContinuation:
		o.headers += f.length
	case http2.FrameRSTStream:
		delete(o.served, f.stream)
		if !o.answered[f.stream] {
			o.resetByClient = resetOf(f, payload)
		}
	case http2.FrameGoAway:
		o.goAwayByClient = goAwayWords(payload)
	}
}

// said returns how much of a client's frame somebody reads: nobody does padding, nor what belongs to
// no stream, which the HTTP/2 server takes in silence.
func (o *overheard) said(f frameHeader, payload []byte) int {
	switch {
	case f.kind != http2.FrameData || !o.served[f.stream]:
		return 0
	case f.flags.Has(http2.FlagDataPadded) && len(payload) > 0:
		return f.length - 1 - int(payload[0])
	default:
		return f.length
	}
}

func (o *overheard) toClient(f frameHeader, payload []byte) {
	if f.kind == http2.FrameRSTStream || f.kind == http2.FrameHeaders && f.flags.Has(http2.FlagHeadersEndStream) {
		delete(o.served, f.stream)
	}
	switch f.kind {
	case http2.FrameData:
		o.purse.add(purseASentence)
	case http2.FrameHeaders:
		if f.flags.Has(http2.FlagHeadersEndStream) && len(o.answered) < maxAnswered {
			o.answered[f.stream] = true
		}
	case http2.FrameRSTStream:
		if !o.answered[f.stream] {
			o.resetByUs = resetOf(f, payload)
		}
	}
}

func resetOf(f frameHeader, payload []byte) *reset {
	if len(payload) < 4 {
		return nil
	}
	return &reset{f.stream, http2.ErrCode(binary.BigEndian.Uint32(payload))}
}

// goAwayWords returns what a GOAWAY says: last stream (4), error code (4), debug data.
func goAwayWords(payload []byte) string {
	if len(payload) < 8 {
		return ""
	}
	code := http2.ErrCode(binary.BigEndian.Uint32(payload[4:]))
	words := strings.ToValidUTF8(string(payload[8:]), "?")
	switch {
	case words != "":
		return fmt.Sprintf("GOAWAY %s: %q", code, words)
	case code == http2.ErrCodeNo:
		return "" // as every library says goodbye
	default:
		return "GOAWAY " + code.String()
	}
}

func longHeaders() string {
	return fmt.Sprintf("the headers of the client's request are larger than %d bytes", maxHeaderBytes)
}

// odd returns what is wrong with a frame by its header alone; "" if nothing is. It only witnesses:
// the HTTP/2 server judges.
func (o *overheard) odd(f frameHeader) string {
	open := o.open
	switch f.kind {
	case http2.FrameHeaders, http2.FrameContinuation:
		o.open = f.stream
		if f.flags.Has(http2.FlagHeadersEndHeaders) { // the same bit in both
			o.open = 0
		}
	}
	switch {
	case o.in.count == 1 && f.kind != http2.FrameSettings:
		return fmt.Sprintf("its first frame is %s, not SETTINGS", f)
	case f.length > maxFrameBytes:
		return fmt.Sprintf("it sent %s; a frame has at most %d", f, maxFrameBytes)
	case open != 0 && (f.kind != http2.FrameContinuation || f.stream != open), open == 0 &&
		f.kind == http2.FrameContinuation:
		return fmt.Sprintf("it sent %s in the place of other headers, or of none", f)
	case f.kind == http2.FramePing && (f.length != 8 || f.stream != 0),
		f.kind == http2.FrameSettings && (f.length%6 != 0 || f.stream != 0),
		f.kind == http2.FrameWindowUpdate && f.length != 4,
		f.kind == http2.FrameRSTStream && (f.length != 4 || f.stream == 0),
		f.kind == http2.FrameGoAway && (f.length < 8 || f.stream != 0),
		f.kind == http2.FrameHeaders && f.stream%2 == 0,
		f.kind == http2.FrameData && f.stream == 0,
		f.kind == http2.FramePushPromise:
		return fmt.Sprintf("it sent %s", f)
	default:
		return ""
	}
}

// fault returns in words what is wrong with the client's frames, after the HTTP/2 server has given
// up the connection for them.
func (o *overheard) fault() string {
	switch {
	case o.in.count == 0, o.in.count == 1 && o.in.last().length > maxFrameBytes:
		return "client sent bytes that are not HTTP/2"
	case o.oddity != "":
		return "client broke HTTP/2: " + o.oddity
	case o.headers > maxHeaderBytes/2: // as they come, which is shorter than what they say
		return longHeaders()
	default:
		return fmt.Sprintf("client broke HTTP/2, in %s or before", o.in.last())
	}
}
