package raw

import (
	"github.com/cespare/xxhash/v2"

	"bulkhead/internal/encoded"
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
	// Seed is drawn for each run and does not change once there are messages. The digests find
	// what differs by accident; xxHash64 does not resist who looks for two that are alike.
	Seed uint64
	// Last is the number of the newest message.
	Last uint64
	// First are the digests of the first messages, and Ring those of the last ones, by number.
	First [firstDigests]uint64
	Ring  [lastDigests]uint64
}

// sum returns the digest of an encoded message. It allocates nothing.
func (d *Digests) sum(message []byte) uint64 {
	var h xxhash.Digest
	h.ResetWithSeed(d.Seed)
	_, _ = h.Write(message) // never an error
	return h.Sum64()
}

// Add takes durable messages in, which follow each other. A batch that does not decode
// adds what of it does.
func (d *Digests) Add(batch []byte, firstSeq, lastSeq uint64) {
	seq := firstSeq
	_ = encoded.Messages(batch, func(message []byte) error {
		if seq <= firstDigests || lastSeq-seq < lastDigests {
			sum := d.sum(message)
			if seq <= firstDigests {
				d.First[seq-1] = sum
			}
			d.Ring[seq%lastDigests] = sum
		}
		d.Last = seq
		seq++
		return nil
	})
}

// Differs returns the first of the messages from firstSeq on that is not what it was, as
// far as digests are kept; 0 if none is.
func (d *Digests) Differs(batch []byte, firstSeq uint64) uint64 {
	seq, found := firstSeq, uint64(0)
	_ = encoded.Messages(batch, func(message []byte) error {
		if found != 0 {
			return nil
		}
		if was, known := d.of(seq); known && was != d.sum(message) {
			found = seq
		}
		seq++
		return nil
	})
	return found
}

func (d *Digests) of(seq uint64) (uint64, bool) {
	switch {
	case seq == 0 || seq > d.Last:
		return 0, false
	case seq <= firstDigests:
		return d.First[seq-1], true
	case d.Last-seq < lastDigests:
		return d.Ring[seq%lastDigests], true
	default:
		return 0, false
	}
}
