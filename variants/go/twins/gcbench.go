// SPDX-License-Identifier: MIT

package main

import "math"

// The twin of workloads/gcbench.c.

type gcbenchNode struct {
	left, right    *gcbenchNode
	unused, height int32
}

func init() {
	workloads["gcbench"] = workload{
		map[string]uint64{"threads": 1, "long-lived": 16, "array": 500000, "depth": 16},
		[]string{"long-lived=9,array=6000,depth=8,threads=1", "long-lived=6,array=300,depth=5,threads=3"},
		gcbench,
	}
}

func (n *gcbenchNode) populate(depth uint64) {
	if depth == 0 {
		return
	}
	n.left = &gcbenchNode{}
	n.right = &gcbenchNode{}
	n.height = int32(depth)
	n.left.populate(depth - 1)
	n.right.populate(depth - 1)
}

func assembleGCBench(depth uint64) *gcbenchNode {
	if depth == 0 {
		return &gcbenchNode{}
	}
	left := assembleGCBench(depth - 1)
	right := assembleGCBench(depth - 1)
	return &gcbenchNode{left: left, right: right, height: int32(depth)}
}

// Inlined, it would keep the root that stays on the stack.
//
//go:noinline
func populatedGCBench(depth uint64) *gcbenchNode {
	root := &gcbenchNode{}
	root.populate(depth)
	return root
}

func (n *gcbenchNode) fold() uint64 {
	sum := uint64(n.height) + 1
	if n.left == nil {
		return sum
	}
	return sum + n.left.fold() + n.right.fold()
}

func gcbench(params map[string]uint64) []uint64 {
	const least = 4
	deepest, doubles, longLivedDepth := params["depth"], params["array"], params["long-lived"]
	nodesOf := func(depth uint64) uint64 { return 2<<depth - 1 }
	return parallel(params["threads"], func(_ uint64, _ *rng) uint64 {
		var checksum uint64
		nodes := nodesOf(longLivedDepth) + 1
		longLived := populatedGCBench(longLivedDepth)
		array := make([]float64, doubles)
		for i := range array[:doubles/2] {
			array[i] = 1.0 / float64(i+1)
		}
		for depth := uint64(least); depth <= deepest; depth += 2 {
			trees := 2 * nodesOf(deepest+2) / nodesOf(depth)
			for _, build := range []func(uint64) *gcbenchNode{populatedGCBench, assembleGCBench} {
				var sum uint64
				for i := uint64(0); i < trees; i++ {
					sum += build(depth).fold()
				}
				checksum = mix(mix(checksum, depth), sum)
				nodes += trees * nodesOf(depth)
			}
		}
		checksum = mix(checksum, longLived.fold())
		var sum uint64
		for _, number := range array[:doubles/2] {
			sum += math.Float64bits(number)
		}
		countOps(nodes)
		return mix(checksum, sum)
	})
}
