package layout

import "math/bits"

// permutation puts the numbers 0 … n-1 into an order that looks random, without a
// list of them: a balanced Feistel network over the least even number of bits that
// holds n, applied again to what falls outside until it does not ("cycle walking";
// J. Black and P. Rogaway, Ciphers with Arbitrary Finite Domains, CT-RSA 2002). A
// Feistel network is a bijection whatever its round function, and so is the walk.
// The network has at most four times n values, so a walk takes fewer than four steps
// on average.
type permutation struct {
	n    uint64
	half uint // bits of each half
	key  uint64
}

// rounds of the network. Four make it a pseudo-random permutation if the round
// function is a pseudo-random one (M. Luby and C. Rackoff, 1988).
const rounds = 4

// newPermutation returns the permutation of 0 … n-1 that key names; n is at least 1
// and at most 2^62.
func newPermutation(n, key uint64) permutation {
	width := uint(max(bits.Len64(n-1), 2))
	return permutation{n: n, half: (width + 1) / 2, key: key}
}

// at returns what is at place i of the order, which is below n.
func (p *permutation) at(i uint64) uint64 {
	for {
		if i = p.encipher(i); i < p.n {
			return i
		}
	}
}

func (p *permutation) encipher(v uint64) uint64 {
	mask := uint64(1)<<p.half - 1
	left, right := v>>p.half, v&mask
	for round := range uint64(rounds) {
		left, right = right, left^mix(right^mix(p.key+round))&mask
	}
	return left<<p.half | right
}

// mix applies the output function of SplitMix64, a bijection that spreads every bit of its
// argument over the result.
func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
