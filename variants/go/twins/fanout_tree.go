// SPDX-License-Identifier: MIT

package main

// The twin of workloads/fanout-tree.c.

const fanout = 16

type fanoutNode struct {
	child     [fanout]*fanoutNode
	key, rank uint64
}

func init() {
	workloads["fanout-tree"] = workload{
		map[string]uint64{"threads": 1, "depth": 4, "rounds": 100000},
		[]string{"depth=3,rounds=100,threads=1", "depth=2,rounds=50,threads=2"},
		fanoutTree,
	}
}

func buildFanout(random *rng, depth uint64) *fanoutNode {
	node := &fanoutNode{key: random.next(), rank: depth}
	for i := 0; depth > 0 && i < fanout; i++ {
		node.child[i] = buildFanout(random, depth-1)
	}
	return node
}

func fanoutNodes(depth uint64) uint64 {
	nodes := uint64(1)
	for ; depth > 0; depth-- {
		nodes = nodes*fanout + 1
	}
	return nodes
}

func (n *fanoutNode) fold() uint64 {
	sum := n.key + n.rank
	for i := 0; i < fanout && n.child[i] != nil; i++ {
		sum = sum*31 + n.child[i].fold()
	}
	return sum
}

func fanoutTree(params map[string]uint64) []uint64 {
	const least = 2
	depth := params["depth"]
	return parallel(params["threads"], func(_ uint64, random *rng) uint64 {
		root := buildFanout(random, depth)
		for i := uint64(0); i < params["rounds"]; i++ {
			parent, path := root, random.next()
			for level := depth; level > least; level-- {
				parent = parent.child[path%fanout]
				path /= fanout
			}
			parent.child[path%fanout] = buildFanout(random, least-1)
		}
		countOps(fanoutNodes(depth) + params["rounds"]*fanoutNodes(least-1))
		return mix(0, root.fold())
	})
}
