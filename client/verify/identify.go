package verify

import (
	"context"

	"bulkhead/client/block"
)

const (
	// firstBlocks are looked at in every file, and samples more of them, spread over the
	// file.
	firstBlocks = 16
	samples     = 64
	// headerStride is how far apart blocks with a header are at most, except in
	// dedupable data.
	headerStride = 1 << 20
)

// identity is what the blocks of a file say about it.
type identity struct {
	file  block.File
	known bool
	fits  bool   // the names say nothing else
	size  uint64 // that the file has
}

// identify finds out which file it is: of those whose blocks are in it, whole and in
// their place, the latest generation of the one that the names speak of, or else the
// most frequent one.
func (r *Reader) identify(ctx context.Context, f *File, h hints) (identity, error) {
	size, err := f.size()
	if err != nil {
		return identity{}, err
	}
	c := &census{hints: h, size: size, votes: make(map[block.File]int)}
	r.lookAt(f, c, 0, firstBlocks*block.Size)
	for i := uint64(1); i < samples; i++ {
		at := size / samples * i
		if size >= samples*headerStride {
			at -= at % headerStride
		}
		at -= at % block.Size
		if at >= firstBlocks*block.Size {
			r.lookAt(f, c, at, block.Size)
		}
	}
	for at := uint64(0); at < size && len(c.votes) == 0 && !c.allShared(); at += bufferSize {
		if err := ctx.Err(); err != nil {
			return identity{}, err
		}
		r.lookAt(f, c, at, bufferSize)
	}
	return c.elect(), nil
}

// lookAt enters the blocks from offset on into the census. What cannot be read is told
// when all of the file is.
func (r *Reader) lookAt(f *File, c *census, offset uint64, length int) {
	p := &pass{reader: r, file: f, result: Result{Size: c.size}}
	n, err := p.fill(r.buffer[:length], offset)
	if err != nil {
		return
	}
	data := r.buffer[:min(uint64(n), c.size-min(offset, c.size))]
	for ; len(data) > 0; data = data[min(len(data), block.Size):] {
		c.enter(offset, data[:min(len(data), block.Size)])
		offset += block.Size
	}
}

// census counts which files the blocks of a file are of.
type census struct {
	hints  hints
	size   uint64
	votes  map[block.File]int
	shared block.Header // one that all files of a consumer share
	seen   bool         // there is such a block
}

func (c *census) enter(offset uint64, data []byte) {
	h, sound := block.Sound(data)
	switch {
	case !sound:
	case h.Shared:
		c.shared, c.seen = h, true
	case h.Offset == offset:
		c.votes[h.File]++
	}
}

// allShared reports whether the data have no blocks that are of one file alone.
func (c *census) allShared() bool { return c.seen && c.shared.Percent == 100 }

// elect decides.
func (c *census) elect() identity {
	e := identity{size: c.size}
	better := func(f block.File) bool {
		fits := c.hints.fits(f)
		switch {
		case !e.known:
			return true
		case fits != e.fits:
			return fits
		case fits && f.Generation != e.file.Generation:
			return f.Generation > e.file.Generation
		default:
			return c.votes[f] > c.votes[e.file]
		}
	}
	for f := range c.votes {
		if better(f) {
			e.file, e.known, e.fits = f, true, c.hints.fits(f)
		}
	}
	if !e.known && c.allShared() && c.size > 0 && c.size <= block.MaxFileSize {
		e.file = block.File{Owner: c.shared.Owner, Data: c.shared.Data, Number: c.hints.number, Generation: 1,
			Size: c.size}
		e.known, e.fits = true, c.hints.fitsOwner(c.shared.Owner)
	}
	return e
}
