package raw

import (
	"hash/maphash"

	"google.golang.org/protobuf/encoding/protowire"
)

const (
	// firstDigests and lastDigests are of how many messages at the begin of a session, and
	// before its last durable one, a digest is kept: a client that sends everything again
	// is compared at both ends.
	firstDigests = 32
	lastDigests  = 224
)

// Digests tell whether messages that come again are what they were. The zero value is of
// no message.
type Digests struct {
	last  uint64 // number of the newest
	first [firstDigests]uint64
	ring  [lastDigests]uint64
}

// digestSeed is this process's: digests are never stored.
var digestSeed = maphash.MakeSeed()

// Add takes durable messages in, which follow each other. A batch that does not decode
// adds what of it does.
func (d *Digests) Add(batch []byte, firstSeq, lastSeq uint64) {
	seq := firstSeq
	_ = fields(batch, func(n protowire.Number, _ uint64, message []byte) error {
		if n != batchMessages || message == nil {
			return nil
		}
		if seq <= firstDigests || lastSeq-seq < lastDigests {
			sum := maphash.Bytes(digestSeed, message)
			if seq <= firstDigests {
				d.first[seq-1] = sum
			}
			d.ring[seq%lastDigests] = sum
		}
		d.last = seq
		seq++
		return nil
	})
}

// Differs returns the first of the messages from firstSeq on that is not what it was, as
// far as digests are kept; 0 if none is.
func (d *Digests) Differs(batch []byte, firstSeq uint64) uint64 {
	seq, found := firstSeq, uint64(0)
	_ = fields(batch, func(n protowire.Number, _ uint64, message []byte) error {
		if n != batchMessages || message == nil || found != 0 {
			return nil
		}
		if was, known := d.of(seq); known && was != maphash.Bytes(digestSeed, message) {
			found = seq
		}
		seq++
		return nil
	})
	return found
}

func (d *Digests) of(seq uint64) (uint64, bool) {
	switch {
	case seq == 0 || seq > d.last:
		return 0, false
	case seq <= firstDigests:
		return d.first[seq-1], true
	case d.last-seq < lastDigests:
		return d.ring[seq%lastDigests], true
	default:
		return 0, false
	}
}
