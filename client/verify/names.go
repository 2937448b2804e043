package verify

import (
	"encoding/hex"
	"regexp"
	"strconv"

	"bulkhead/client/block"
)

// Names of what a client makes; see the client and consumer packages.
var (
	clientName   = regexp.MustCompile(`^bulkhead-.*-([0-9a-f]{8})$`)
	consumerName = regexp.MustCompile(`^consumer-([0-9]{1,9})$`)
	loadName     = regexp.MustCompile(`^load-([0-9]{8,18})\.dat$`)
)

// isRecord reports whether a client keeps a file of that name for itself.
func isRecord(name string) bool { return name == ".bulkhead" || name == recordName }

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

// within are the hints for what is in a folder of that name.
func (h hints) within(folder string) hints {
	if m := clientName.FindStringSubmatch(folder); m != nil {
		if id, err := hex.DecodeString(m[1]); err == nil {
			h.client = id
		}
	}
	if m := consumerName.FindStringSubmatch(folder); m != nil {
		if n, err := strconv.ParseUint(m[1], 10, 32); err == nil {
			h.consumer, h.hasConsumer = uint32(n), true
		}
	}
	return h
}

// of are the hints for a file of that name.
func (h hints) of(file string) hints {
	if m := loadName.FindStringSubmatch(file); m != nil {
		if n, err := strconv.ParseUint(m[1], 10, 64); err == nil && n <= block.MaxNumber {
			h.number, h.hasNumber = n, true
		}
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
