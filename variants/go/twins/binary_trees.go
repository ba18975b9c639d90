// SPDX-License-Identifier: MIT

package main

// The twin of workloads/binary-trees.c.

type treeNode struct{ left, right *treeNode }

func init() {
	workloads["binary-trees"] = workload{
		map[string]uint64{"threads": 1, "depth": 16},
		[]string{"depth=10,threads=1", "depth=11,threads=3"},
		binaryTrees,
	}
}

func buildTree(depth uint64) *treeNode {
	node := &treeNode{}
	if depth > 0 {
		node.left = buildTree(depth - 1)
		node.right = buildTree(depth - 1)
	}
	return node
}

func (n *treeNode) count() uint64 {
	if n.left == nil {
		return 1
	}
	return 1 + n.left.count() + n.right.count()
}

func binaryTrees(params map[string]uint64) []uint64 {
	const least = 4
	threads, depth := params["threads"], params["depth"]
	return parallel(threads, func(index uint64, _ *rng) uint64 {
		var checksum, nodes uint64
		var longLived *treeNode
		if index == 0 {
			stretch := buildTree(depth + 1).count()
			checksum = mix(checksum, stretch)
			longLived = buildTree(depth)
			nodes = stretch + 2<<depth - 1
		}
		for d := uint64(least); d <= depth; d += 2 {
			trees := uint64(1) << (depth - d + least)
			var counted uint64
			for i := trees * index / threads; i < trees*(index+1)/threads; i++ {
				counted += buildTree(d).count()
			}
			checksum = mix(mix(checksum, d), counted)
			nodes += counted
		}
		if longLived != nil {
			checksum = mix(checksum, longLived.count())
		}
		countOps(nodes)
		return checksum
	})
}
