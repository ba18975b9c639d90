// SPDX-License-Identifier: MIT

package main

// The twin of workloads/tree-churn.c.

// Not a constant, so that the ring lies in the heap, as its twin's does.
var churnRing uint64 = 16

type churnObject [8]uint64

func init() {
	workloads["tree-churn"] = workload{
		map[string]uint64{"threads": 1, "depth": 17, "churn": 64},
		[]string{"depth=10,churn=1,threads=1", "depth=8,churn=1,threads=3"},
		treeChurn,
	}
}

func churn(objects uint64) uint64 {
	var checksum uint64
	ring := make([]*churnObject, churnRing)
	for i := uint64(0); i < objects; i++ {
		object, old := new(churnObject), ring[i%churnRing]
		word := i & 0xff * 0x0101010101010101
		for j := range object {
			object[j] = word
		}
		ring[i%churnRing] = object
		if old != nil {
			checksum = mix(checksum, old[0]+old[len(old)-1])
		}
	}
	return checksum
}

func treeChurn(params map[string]uint64) []uint64 {
	threads, depth := params["threads"], params["depth"]
	objects := params["churn"] << 20 / 64 / threads
	return parallel(threads, func(uint64, *rng) uint64 {
		tree := buildTree(depth)
		checksum := churn(objects)
		countOps(2<<depth - 1 + 1 + objects)
		return mix(checksum, tree.count())
	})
}
