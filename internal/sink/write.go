package sink

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"time"
)

// atOnce is how many bytes of lines are put together at a time.
const atOnce = 16 << 10

// parcel is what is being written: bytes, and where in them lines end that count.
type parcel struct {
	out  []byte
	sent int
	ends []lineEnd
	call func() // comes after it; nil for none
}

// lineEnd says that lines are written when a parcel is written up to an offset. Those that
// a note speaks of were left out before.
type lineEnd struct {
	at    int
	lines uint64
	note  bool
}

// unwritten returns how many lines of it are not written, and how many that were left out are
// not told.
func (p *parcel) unwritten() (lines, untold uint64) {
	for _, e := range p.ends {
		switch {
		case e.at <= p.sent:
		case e.note:
			untold += e.lines
		default:
			lines += e.lines
		}
	}
	return lines, untold
}

// start starts a writer, unless there is one or nothing may be written. mu is held.
func (s *Sink) start() {
	if s.idle == nil && !s.held {
		s.idle = make(chan struct{})
		go s.write() // ends when there is nothing more to write; Flush waits for it
	}
}

// write writes what there is.
func (s *Sink) write() {
	for {
		out, call, ok := s.next()
		switch {
		case !ok:
			return
		case len(out) > 0:
			n, err := s.to.put(out, s.mayWrite)
			s.wrote(n, err)
		case call != nil:
			call()
			s.called()
		}
	}
}

// next returns what is to be written next, or else to be called. It returns false when the one
// who writes has nothing more to do.
func (s *Sink) next() (out []byte, call func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.held && s.parcel.sent == len(s.parcel.out) && s.parcel.call == nil {
		s.pack()
	}
	p := &s.parcel
	if s.held || p.sent == len(p.out) && p.call == nil {
		close(s.idle)
		s.idle = nil
		return nil, nil, false
	}
	return piece(p.out[p.sent:]), p.call, true
}

// pack makes the next parcel, which is empty if there is nothing to write. mu is held.
func (s *Sink) pack() {
	s.parcel = parcel{}
	if s.missing > 0 && len(s.queue) == 0 && s.err == nil { // otherwise the note waits for a line to try with
		s.markGap()
	}
	if len(s.queue) == 0 && !s.fresh {
		return
	}
	var out bytes.Buffer
	if s.view != nil {
		s.view.Erase(&out)
	}
	p := &s.parcel
	for len(s.queue) > 0 && out.Len() < atOnce && p.call == nil {
		e := s.queue[0]
		s.queue[0] = entry{}
		s.queue = s.queue[1:]
		s.queued -= len(e.text) + entrySize
		switch p.call = e.call; {
		case e.gap > 0:
			out.Write(s.note(e.gap))
			p.ends = append(p.ends, lineEnd{out.Len(), e.gap, true})
		case e.text != nil:
			out.Write(e.text)
			p.ends = append(p.ends, lineEnd{out.Len(), uint64(bytes.Count(e.text, newline)), false})
		}
	}
	if s.view != nil && p.call == nil {
		s.view.Draw(&out, s.fresh)
		s.fresh = false
	}
	p.out = out.Bytes()
}

// wrote takes note of a write. What it could not write is left out: nobody reads now,
// or the disk is full. Somebody may again.
func (s *Sink) wrote(n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := &s.parcel
	p.sent += n
	s.moved = time.Now()
	if errors.Is(err, errHeld) {
		return
	}
	if s.err = err; err != nil {
		lines, untold := p.unwritten()
		s.missing += lines + untold
		s.lost += lines
		p.sent = len(p.out)
	}
}

// called takes note of the end of a call.
func (s *Sink) called() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parcel.call = nil
	s.fresh = s.view != nil
	s.moved = time.Now()
}

// mayWrite reports whether something may be written now.
func (s *Sink) mayWrite() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.held
}

// piece returns the beginning of out that is written at once: whole lines if one is short
// enough.
func piece(out []byte) []byte {
	if len(out) <= pipeBuf {
		return out
	}
	if end := bytes.LastIndexByte(out[:pipeBuf], '\n') + 1; end > 0 {
		return out[:end]
	}
	return out[:pipeBuf]
}

// device is what is written to.
type device interface {
	// put writes p, or part of it with an error. It waits until that does not block; when
	// go on returns false meanwhile, it returns errHeld.
	put(p []byte, goOn func() bool) (int, error)
}

// errHeld says that nothing may be written for now.
var errHeld = errors.New("held")

// writerDevice is a writer that is no file.
type writerDevice struct{ io.Writer }

func (d writerDevice) put(p []byte, _ func() bool) (int, error) { return d.Write(p) }

func plainNote(lines uint64) []byte {
	return []byte("log lines left out, because nobody read them: " + strconv.FormatUint(lines, 10) + "\n")
}
