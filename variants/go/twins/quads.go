// SPDX-License-Identifier: MIT

package main

// The twin of workloads/quads.c.

type quad struct{ kids [4]*quad }

func init() {
	workloads["quads"] = workload{
		map[string]uint64{"threads": 1, "depth": 8, "heap": 250, "rounds": 20},
		[]string{"depth=5,heap=300,rounds=5,threads=1", "depth=4,heap=800,rounds=3,threads=2"},
		quads,
	}
}

func assembleQuads(depth uint64) *quad {
	var kids [4]*quad
	for i := 0; depth > 0 && i < len(kids); i++ {
		kids[i] = assembleQuads(depth - 1)
	}
	return &quad{kids}
}

func (q *quad) fold(level uint64) uint64 {
	sum := level
	for i := 0; i < len(q.kids) && q.kids[i] != nil; i++ {
		sum += q.kids[i].fold(level + 1 + uint64(i))
	}
	return sum
}

func quads(params map[string]uint64) []uint64 {
	const garbage = 3
	depth, rounds := params["depth"], params["rounds"]
	nodesOf := func(depth uint64) uint64 { return (1<<(2*(depth+1)) - 1) / 3 }
	trees := nodesOf(depth) * params["heap"] * 2 / 1500 / nodesOf(garbage)
	return parallel(params["threads"], func(_ uint64, _ *rng) uint64 {
		var checksum uint64
		longLived := assembleQuads(depth)
		for round := uint64(0); round < rounds; round++ {
			for i := uint64(0); i < trees; i++ {
				assembleQuads(garbage)
			}
			checksum = mix(checksum, longLived.fold(1))
		}
		countOps(nodesOf(depth) + rounds*trees*nodesOf(garbage))
		return checksum
	})
}
