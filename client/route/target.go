package route

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"slices"
)

// Target is an address that can be dialled.
type Target struct {
	// Address is as it was given: for people, and as HTTP/2 names it.
	Address string
	// Dial is the same with an IP address for its host.
	Dial string
	// Prove is the address whose host the certificate of what answers must name.
	Prove string
	// Several says that the host of Address has other addresses as well.
	Several bool
	// Spare says that it is of the family of IP addresses that its name prefers less.
	Spare bool
	// Learned says that a supervisor has named Address, and nobody else.
	Learned bool
	// By is Dial of that supervisor.
	By string
}

// String returns the target for people.
func (t Target) String() string {
	if t.Several {
		return t.Address + " (" + t.Dial + ")"
	}
	return t.Address
}

// Is reports whether the target is what an address means.
func (t Target) Is(address string) bool {
	return address != "" && (t.Dial == address || t.Address == address)
}

// weigh returns the place of a target in the order of a client: the highest comes first. Another
// client has another order, and without one target the order of the others stays (rendezvous
// hashing).
func weigh(seed []byte, t Target) uint64 {
	sum := sha256.Sum256(append(append(slices.Clone(seed), 0), t.Dial...))
	return binary.BigEndian.Uint64(sum[:])
}

// sorted returns targets in the order of a client: by rank, then those that are no spare ones, then
// by weight. Of those with one Dial only the first stays.
func sorted(seed []byte, all []Target, rank func(Target) int) []Target {
	var out []Target
	for _, t := range all {
		if !slices.ContainsFunc(out, func(o Target) bool { return o.Dial == t.Dial }) {
			out = append(out, t)
		}
	}
	spare := func(t Target) int {
		if t.Spare {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(out, func(a, b Target) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(spare(a), spare(b)),
			cmp.Compare(weigh(seed, b), weigh(seed, a)))
	})
	return out
}
