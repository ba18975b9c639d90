// SPDX-License-Identifier: MIT

package main

// The twin of workloads/binary-trees.c.

type treeNode struct{ left, right *treeNode }

func init() {
	workloads["binary-trees"] = workload{map[string]uint64{"threads": 1, "depth": 16}, binaryTrees}
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
	return parallel(threads, func(index uint64) uint64 {
		var checksum uint64
		var longLived *treeNode
		if index == 0 {
			checksum = mix(checksum, buildTree(depth+1).count())
			longLived = buildTree(depth)
		}
		for d := uint64(least); d <= depth; d += 2 {
			trees := uint64(1) << (depth - d + least)
			var counted uint64
			for i := trees * index / threads; i < trees*(index+1)/threads; i++ {
				counted += buildTree(d).count()
			}
			checksum = mix(mix(checksum, d), counted)
		}
		if longLived != nil {
			checksum = mix(checksum, longLived.count())
		}
		return checksum
	})
}
