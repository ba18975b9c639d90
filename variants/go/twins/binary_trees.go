// SPDX-License-Identifier: MIT

package main

// The twin of workloads/binary-trees.c.

type treeNode struct{ left, right *treeNode }

func init() {
	workloads["binary-trees"] = workload{
		map[string]uint64{"threads": 1, "depth": 16, "whole": 0},
		[]string{"depth=10,threads=1", "depth=11,threads=3", "depth=11,threads=3,whole=1"},
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
			begin, end := trees*index/threads, trees*(index+1)/threads
			if params["whole"] != 0 {
				begin, end = 0, 0
				if (d-least)/2%threads == index {
					end = trees
				}
			}
			var counted uint64
			for i := begin; i < end; i++ {
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
