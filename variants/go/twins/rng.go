// SPDX-License-Identifier: MIT

package main

import "math/bits"

// rng is harness/bench/rng.h: xoshiro256** seeded through splitmix64, a stream per thread.
type rng struct{ s [4]uint64 }

func newRNG(seed, stream uint64) *rng {
	r, x := &rng{}, seed^stream*0xd1342543de82ef95
	for i := range r.s {
		x += 0x9e3779b97f4a7c15
		z := (x ^ x>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		r.s[i] = z ^ z>>31
	}
	return r
}

func (r *rng) next() uint64 {
	result := bits.RotateLeft64(r.s[1]*5, 7) * 9
	t := r.s[1] << 17
	r.s[2] ^= r.s[0]
	r.s[3] ^= r.s[1]
	r.s[1] ^= r.s[2]
	r.s[0] ^= r.s[3]
	r.s[2] ^= t
	r.s[3] = bits.RotateLeft64(r.s[3], 45)
	return result
}

// below is uniform in [0, n).
func (r *rng) below(n uint64) uint64 {
	high, _ := bits.Mul64(r.next(), n)
	return high
}

// between is uniform in [low, high].
func (r *rng) between(low, high uint64) uint64 { return low + r.below(high-low+1) }
