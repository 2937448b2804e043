package verify

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"bulkhead/client/block"
)

const (
	// bufferSize is how much is read at once, a multiple of the size of a block.
	bufferSize = 1 << 20
	// defaultMaxFaults bounds what is kept of a file that is all wrong.
	defaultMaxFaults = 1000
)

// Options are how a Reader reads.
type Options struct {
	// MaxFaults is how many faults of a file are kept; all are counted. 0 is 1000.
	MaxFaults int
	// Call, if it is set, makes each call into the kernel that may take long.
	Call func(func() error) error
	// Note, if it is set, is told how much was just read and compared, and how much of
	// that may have come from a cache, as it goes.
	Note func(bytes, cached uint64)
}

// Reader reads files back, one after the other, into memory that it keeps. It is not
// safe for concurrent use.
type Reader struct {
	options Options
	buffer  []byte // page-aligned
}

// NewReader prepares reading. The caller must close the Reader.
func NewReader(o Options) (*Reader, error) {
	if o.MaxFaults == 0 {
		o.MaxFaults = defaultMaxFaults
	}
	if o.Note == nil {
		o.Note = func(uint64, uint64) {}
	}
	if o.Call == nil {
		o.Call = func(call func() error) error { return call() }
	}
	buffer, err := unix.Mmap(-1, 0, bufferSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("mapping memory to read into: %w", err)
	}
	return &Reader{o, buffer}, nil
}

// Close gives the memory back.
func (r *Reader) Close() error {
	if r.buffer == nil {
		return errors.New("closing a reader: it is closed already")
	}
	err := unix.Munmap(r.buffer)
	r.buffer = nil
	return err
}

// Target is what a file should be.
type Target struct {
	File block.File
	// Written is how many bytes the file has at least; 0 is File.Size.
	Written uint64
	// Unfinished says that writing the file was not finished: it may end anywhere, and
	// blocks may hold zeros or what they held in an earlier generation. If chunks are
	// not of whole sectors and were written in a random order, a block in whose last
	// sector one begins may count as corrupt.
	Unfinished bool
	// From is where reading begins: 0, or the Next of an earlier Result.
	From uint64
}

// Result is what came of reading one file.
type Result struct {
	Bytes     uint64        // read and compared
	Cached    uint64        // of Bytes, those that may have come from a cache
	Unproven  uint64        // of Bytes, those in a sector that the end of the file cuts off
	Unwritten uint64        // of Bytes, those in blocks that were not written; only of an unfinished file
	Corrupt   uint64        // blocks that are not what they should be
	Faults    []block.Fault // in rising order, those next to each other and alike together
	Omitted   uint64        // faults beyond Options.MaxFaults
	Size      uint64        // of the file
	Next      uint64        // where reading ended, in bytes from the file's beginning
	// Newer is the latest generation of which there are blocks in their place, if it is
	// later than that of the target; its Generation is 0 if not.
	Newer block.File
}

// Check reads the file and compares it with what it should be. It returns an error
// if that was not done to the end: the context's if it was cancelled, which is looked
// at between reads, or why the file could not be used. The result is right as far as it
// goes. That a part of the file cannot be read is a fault, no error.
func (r *Reader) Check(ctx context.Context, f *File, t Target) (Result, error) {
	size, err := f.size()
	if err != nil {
		return Result{}, err
	}
	p, err := r.begin(f, t, size)
	if err != nil {
		return Result{}, err
	}
	if err := r.options.Call(func() error { p.cached = f.prepare(size); return nil }); err != nil {
		return p.result, err
	}
	err = p.read(ctx)
	p.settle()
	if err == nil {
		p.truncated()
	}
	p.result.Unproven = p.checker.Unproven
	return p.result, err
}

// prepare makes reads come from storage as far as possible, and returns how many bytes of size may
// not.
func (f *File) prepare(size uint64) (cached uint64) {
	switch {
	case f.shared:
		return size
	case f.proven:
		return 0
	case f.direct: // if it reads through the page cache all the same, then what comes from storage
		f.dropCache()
		return 0
	}
	f.dropCache()
	return f.resident(size)
}

// pass is one reading of one file.
type pass struct {
	reader  *Reader
	file    *File
	target  Target
	checker *block.Checker
	result  Result
	cached  uint64 // of what is still to be read, what may come from a cache; it is taken to come first
	scratch []block.Fault

	// Of an unfinished file: where the wholly unwritten blocks end that were met last, and a
	// fault that is none if unwritten blocks follow.
	unwrittenEnd uint64
	waiting      *block.Fault
}

// begin prepares a reading of a file that has that size.
func (r *Reader) begin(f *File, t Target, size uint64) (*pass, error) {
	checker, err := block.NewChecker(t.File)
	if err != nil {
		return nil, err
	}
	if t.Written == 0 {
		t.Written = t.File.Size
	}
	return &pass{reader: r, file: f, target: t, checker: checker, result: Result{Size: size}}, nil
}

// read reads all of the file.
func (p *pass) read(ctx context.Context) error {
	p.result.Next = min(p.target.From, p.result.Size)
	for at := p.result.Next; at < p.result.Size; p.result.Next = at {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := p.fill(p.reader.buffer, at)
		if err != nil {
			if err := p.blockwise(ctx, at); err != nil {
				return err
			}
			at += bufferSize
			continue
		}
		if n < bufferSize && at+uint64(n) < p.result.Size {
			p.result.Size = at + uint64(n) // it became shorter while it was read
		}
		data := p.reader.buffer[:min(uint64(n), p.result.Size-at)]
		p.check(at, data)
		at += uint64(len(data))
	}
	return nil
}

// fill reads as much as fits into buffer from offset on: whole blocks, or up to the
// file's end.
func (p *pass) fill(buffer []byte, offset uint64) (int, error) {
	filled := 0
	for filled < len(buffer) && offset+uint64(filled) < p.result.Size {
		if p.file.direct && filled%block.Size != 0 {
			if err := p.leave(); err != nil {
				return 0, err
			}
		}
		var n int
		err := p.reader.options.Call(func() (err error) {
			n, err = p.file.read(buffer[filled:], offset+uint64(filled))
			return err
		})
		if errors.Is(err, unix.EINVAL) && p.file.direct {
			if err := p.leave(); err != nil {
				return 0, err
			}
			continue
		}
		if err != nil {
			return 0, err
		}
		if n == 0 {
			break
		}
		filled += n
	}
	return filled, nil
}

// leave continues without O_DIRECT, which the file system took and does not do.
func (p *pass) leave() error {
	if err := p.file.leaveDirect(); err != nil {
		return err
	}
	p.file.dropCache()
	p.cached = p.result.Size // nothing is known of what was read ahead
	return nil
}

// blockwise reads what bufferSize holds block by block, because a part of it cannot be
// read.
func (p *pass) blockwise(ctx context.Context, from uint64) error {
	for at := from; at < min(from+bufferSize, p.result.Size); at += block.Size {
		if err := ctx.Err(); err != nil {
			return err
		}
		length := min(block.Size, p.result.Size-at)
		n, err := p.fill(p.reader.buffer[:block.Size], at)
		if err != nil {
			p.note(block.Fault{
				Offset: at, Length: length, Blocks: 1, Damage: block.Unreadable,
				Expected: p.name(at), Found: "reading it fails: " + err.Error(),
			})
			continue
		}
		p.check(at, p.reader.buffer[:min(uint64(n), length)])
	}
	return nil
}

// check compares what was read.
func (p *pass) check(offset uint64, data []byte) {
	cached := min(p.cached, uint64(len(data)))
	p.cached -= cached
	p.result.Bytes += uint64(len(data))
	p.result.Cached += cached
	p.reader.options.Note(uint64(len(data)), cached)
	p.scratch = p.checker.Check(p.scratch[:0], offset, data)
	for _, f := range p.scratch {
		if newer, yes := f.IsNewer(p.target.File); yes && newer.Generation > p.result.Newer.Generation {
			p.result.Newer = newer
		}
		if p.target.Unfinished {
			p.weigh(f)
		} else {
			p.note(f)
		}
	}
}

// weigh notes a fault in an unfinished file, unless it is only that writing stopped. The
// faults come in rising order; that of a block in which it may have stopped waits for
// the next one.
func (p *pass) weigh(f block.Fault) {
	whole := f.Unwritten && f.Damage != block.Torn // nothing of it was written
	if w := p.waiting; w != nil && whole && f.Offset == w.Offset+w.Length {
		p.result.Unwritten += w.Length
		p.waiting = nil
	}
	p.settle()
	switch {
	case f.Unwritten, f.FirstOnly && p.unwrittenEnd == f.Offset && f.Offset > 0:
		p.result.Unwritten += f.Length
		if whole {
			p.unwrittenEnd = f.Offset + f.Length
		}
	case f.LastOnly:
		p.waiting = &f
	default:
		p.note(f)
	}
}

// settle notes the fault that waits for one behind it: there is none.
func (p *pass) settle() {
	if p.waiting != nil {
		p.note(*p.waiting)
		p.waiting = nil
	}
}

// truncated notes what is missing at the end.
func (p *pass) truncated() {
	size, written := p.result.Size, p.target.Written
	if p.target.Unfinished || size >= written {
		return
	}
	p.note(block.Fault{
		Offset: size, Length: written - size, Blocks: (written+block.Size-1)/block.Size - size/block.Size,
		Damage:   block.Truncated,
		Expected: p.name(size), Found: fmt.Sprintf("the end of the file, at %d of %d B", size, written),
	})
}

// name returns what should be in the block around offset.
func (p *pass) name(offset uint64) string { return p.checker.Name(offset / block.Size * block.Size) }

// note counts a fault and keeps it, if there is room.
func (p *pass) note(f block.Fault) {
	p.result.Corrupt += f.Blocks
	kept := p.result.Faults
	switch n := len(kept); {
	case n > 0 && p.result.Omitted == 0 && kept[n-1].Join(f):
	case n < p.reader.options.MaxFaults:
		p.result.Faults = append(kept, f)
	default:
		p.result.Omitted++
	}
}
