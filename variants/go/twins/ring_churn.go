// SPDX-License-Identifier: MIT

package main

import "unsafe"

// The twin of workloads/ring-churn.c.

const ringLeastSlots = 8

var ringShares = []struct {
	belowPercent uint64
	pointers     bool
	least, most  uint64
}{
	{40, false, 1, 15},
	{65, false, 16, 512},
	{85, true, 16, 512},
	{92, true, 520, 32 << 10},
	{97, false, 513, 32 << 10},
	{99, false, 32<<10 + 1, 256 << 10},
	{100, true, 32<<10 + 8, 256 << 10},
}

type ringShape struct {
	size     uint64
	pointers bool
	mark     byte
}

func init() {
	workloads["ring-churn"] = workload{
		map[string]uint64{"threads": 1, "live": 4, "objects": 100},
		[]string{"live=1,objects=3,threads=1", "live=1,objects=2,threads=2"},
		ringChurn,
	}
}

func ringShapeOf(base, i uint64) ringShape {
	_, draw := splitmix(base + i*0x9e3779b97f4a7c15)
	percent, skewed := draw>>32*100>>32, draw&0xffff*(draw>>16&0xffff)>>16
	share := 0
	for percent >= ringShares[share].belowPercent {
		share++
	}
	s := &ringShares[share]
	size := s.least + (s.most-s.least)*skewed>>16
	if s.pointers {
		size &^= 7
	}
	return ringShape{size, s.pointers, byte(draw >> 24)}
}

func (s ringShape) make(before unsafe.Pointer) unsafe.Pointer {
	if !s.pointers {
		bytes := make([]byte, s.size)
		for i := range bytes {
			bytes[i] = s.mark
		}
		return unsafe.Pointer(&bytes[0])
	}
	pointers := make([]unsafe.Pointer, s.size/8)
	pointers[0] = before
	pointers[len(pointers)-1] = unsafe.Pointer(&pointers[0])
	return unsafe.Pointer(&pointers[0])
}

func (s ringShape) fold(object unsafe.Pointer) uint64 {
	if object == nil {
		return 0
	}
	if s.pointers {
		if unsafe.Slice((*unsafe.Pointer)(object), s.size/8)[s.size/8-1] == object {
			return s.size + 1
		}
		return s.size
	}
	bytes := unsafe.Slice((*byte)(object), s.size)
	return s.size + uint64(bytes[0]) + uint64(bytes[s.size/2]) + uint64(bytes[s.size-1])
}

func (s ringShape) letGo(after unsafe.Pointer) {
	if s.pointers {
		*(*unsafe.Pointer)(after) = nil
	}
}

func ringChurn(params map[string]uint64) []uint64 {
	threads := params["threads"]
	live, objects := params["live"]<<20/threads, params["objects"]*1000/threads
	return parallel(threads, func(_ uint64, random *rng) uint64 {
		var checksum, n, sum uint64
		base := random.next()
		for ; sum < live || n < ringLeastSlots; n++ {
			sum += ringShapeOf(base, n).size
		}
		ring := make([]unsafe.Pointer, n)
		var before unsafe.Pointer
		for i := range ring {
			before = ringShapeOf(base, uint64(i)).make(before)
			ring[i] = before
		}
		for i := uint64(0); i < objects; i++ {
			old := ring[i%n]
			ringShapeOf(base, i+1).letGo(ring[(i+1)%n])
			before = ringShapeOf(base, n+i).make(before)
			ring[i%n] = before
			checksum = mix(checksum, ringShapeOf(base, i).fold(old))
			if ringShapeOf(base, i+n/2).pointers {
				neighbour := *(*unsafe.Pointer)(ring[(i+n/2)%n])
				checksum += ringShapeOf(base, i+n/2-1).fold(neighbour)
			}
		}
		for i := objects; i < objects+n; i++ {
			if i+1 < objects+n {
				ringShapeOf(base, i+1).letGo(ring[(i+1)%n])
			}
			checksum = mix(checksum, ringShapeOf(base, i).fold(ring[i%n]))
		}
		countOps(1 + n + objects)
		return checksum
	})
}
