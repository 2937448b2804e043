package verify

import (
	"bulkhead/client/block"
	"bulkhead/client/names"
)

// hints are what names of folders and of a file, and the record of its client, say
// about it.
type hints struct {
	client      []byte // its first bytes
	consumer    uint32
	number      uint64
	hasConsumer bool
	hasNumber   bool
	writers     int // of each consumer; 0 if nothing says
}

// within returns the hints for what is in a folder of that name.
func (h hints) within(folder string) hints {
	if id, ok := names.ClientIn(folder); ok {
		h.client = id
	}
	if n, ok := names.ConsumerIn(folder); ok {
		h.consumer, h.hasConsumer = n, true
	}
	return h
}

// of returns the hints for a file of that name.
func (h hints) of(file string) hints {
	if n, ok := names.LoadFileIn(file); ok && n <= block.MaxNumber {
		h.number, h.hasNumber = n, true
	}
	return h
}

// fitsOwner reports whether the names speak of that owner, as far as they say anything.
func (h hints) fitsOwner(o block.Owner) bool {
	return string(h.client) == string(o.Client[:len(h.client)]) && (!h.hasConsumer || h.consumer == o.Consumer)
}

// fits reports whether the names speak of that file.
func (h hints) fits(f block.File) bool {
	return h.fitsOwner(f.Owner) && (!h.hasNumber || h.number == f.Number)
}
