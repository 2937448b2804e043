package spawner

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"
)

// Argument is the one argument of a program that is to be the spawner.
const Argument = "spawner"

// ApartEnv is an entry of the spawner's environment: if it is set the spawner leaves its parent's
// Namespaces, once, and all children are in its own.
const ApartEnv = "BULKHEAD_SPAWNER_APART"

// LineFD is the descriptor of the line in the spawner.
const LineFD = 3

// MaxRequestBytes bounds an encoded Request: a packet must fit into the line's buffer.
const MaxRequestBytes = 64 << 10

// MaxFiles bounds the descriptors that come with a request.
const MaxFiles = 64

// ErrTooLarge says that a request does not fit into a packet.
var ErrTooLarge = errors.New("the request is too large for a spawner")

// Request says what to start. The child's stdin is /dev/null.
type Request struct {
	// Path is the program, Dir the working directory, "" for the spawner's.
	Path, Dir string
	// Args has the program's own name first; Env is the whole environment.
	Args, Env []string
	// Files has, for each of the child's descriptors from 1 on, which of the descriptors
	// that come with the request it is; -1 for none.
	Files []int
	// TimerSlack is that of the child's threads; 0 is the spawner's own.
	TimerSlack time.Duration
}

// Append appends the request to b. It returns ErrTooLarge if it does not fit into a packet.
func (r Request) Append(b []byte) ([]byte, error) {
	begin := len(b)
	text := func(s string) {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	b = binary.AppendUvarint(b, uint64(r.TimerSlack))
	text(r.Path)
	text(r.Dir)
	for _, list := range [][]string{r.Args, r.Env} {
		b = binary.AppendUvarint(b, uint64(len(list)))
		for _, s := range list {
			text(s)
		}
	}
	b = binary.AppendUvarint(b, uint64(len(r.Files)))
	for _, f := range r.Files {
		b = binary.AppendVarint(b, int64(f))
	}
	if len(b)-begin > MaxRequestBytes || len(r.Files) > MaxFiles {
		return b[:begin], ErrTooLarge
	}
	return b, nil
}

// ParseRequest reverses Append, for a request that came with so many descriptors. It
// returns os.ErrInvalid, wrapped, for anything else.
func ParseRequest(b []byte, descriptors int) (Request, error) {
	d := decoder{rest: b}
	r := Request{TimerSlack: time.Duration(d.number())}
	r.Path, r.Dir = d.text(), d.text()
	r.Args, r.Env = d.texts(), d.texts()
	for n := d.count(); n > 0; n-- {
		f := d.signed()
		d.bad = d.bad || f < -1 || f >= int64(descriptors)
		r.Files = append(r.Files, int(f))
	}
	if d.bad || len(d.rest) > 0 || r.Path == "" || len(r.Args) == 0 || len(r.Files) > MaxFiles || r.TimerSlack < 0 {
		return Request{}, fmt.Errorf("a packet of %d bytes with %d descriptors is no request: %w", len(b), descriptors,
			os.ErrInvalid)
	}
	return r, nil
}

// decoder reads what Append wrote. After bad it reads nothing but zeroes.
type decoder struct {
	rest []byte
	bad  bool
}

func (d *decoder) take(n int) {
	if d.bad = d.bad || n <= 0; !d.bad {
		d.rest = d.rest[n:]
	}
}

func (d *decoder) number() uint64 {
	v, n := binary.Uvarint(d.rest)
	if d.take(n); d.bad {
		return 0
	}
	return v
}

func (d *decoder) signed() int64 {
	v, n := binary.Varint(d.rest)
	if d.take(n); d.bad {
		return 0
	}
	return v
}

// count reads a number of things of at least a byte each.
func (d *decoder) count() int {
	n := d.number()
	if d.bad = d.bad || n > uint64(len(d.rest)); d.bad {
		return 0
	}
	return int(n)
}

func (d *decoder) text() string {
	n := d.count()
	s := string(d.rest[:n])
	d.rest = d.rest[n:]
	return s
}

func (d *decoder) texts() []string {
	var list []string
	for n := d.count(); n > 0 && !d.bad; n-- {
		list = append(list, d.text())
	}
	return list
}

// version is that of requests and answers: a spawner of another one is not used. In version 1 a
// pidfd came with an answer.
const version = 2

// AnswerBytes is the size of an answer.
const AnswerBytes = 8

// Answer says what became of a request: the child's pid, or an errno. The first one, which
// nobody asked for, is Hello.
type Answer struct{ Pid, Errno uint32 }

// Hello returns the answer that the spawner is ready, and which version it is.
func Hello() Answer { return Answer{Pid: version, Errno: 0x62756c6b} }

// Bytes returns the encoded answer.
func (a Answer) Bytes() []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, a.Pid), a.Errno)
}

// ParseAnswer reverses Bytes. It returns os.ErrInvalid, wrapped, for anything else.
func ParseAnswer(b []byte) (Answer, error) {
	if len(b) != AnswerBytes {
		return Answer{}, fmt.Errorf("a packet of %d bytes is no answer of a spawner: %w", len(b), os.ErrInvalid)
	}
	return Answer{Pid: binary.BigEndian.Uint32(b), Errno: binary.BigEndian.Uint32(b[4:])}, nil
}
