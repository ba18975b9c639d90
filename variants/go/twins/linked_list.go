// SPDX-License-Identifier: MIT

package main

// The twin of workloads/linked-list.c.

type listNode struct {
	next                  *listNode
	value, number, unused uint64
}

func init() {
	workloads["linked-list"] = workload{
		map[string]uint64{"threads": 1, "live": 32, "rounds": 8},
		[]string{"live=1,rounds=2,threads=1", "live=2,rounds=3,threads=3"},
		linkedList,
	}
}

func pushNodes(random *rng, head *listNode, n uint64) *listNode {
	for i := uint64(0); i < n; i++ {
		head = &listNode{next: head, value: random.next(), number: i}
	}
	return head
}

func popNodes(checksum *uint64, head *listNode, n uint64) *listNode {
	var total uint64
	for i := uint64(0); i < n; i++ {
		total += head.value ^ head.number
		head = head.next
	}
	*checksum = mix(*checksum, total)
	return head
}

func linkedList(params map[string]uint64) []uint64 {
	nodes := params["live"] << 20 / 32 / params["threads"]
	return parallel(params["threads"], func(_ uint64, random *rng) uint64 {
		var checksum uint64
		half := nodes / 2
		head := pushNodes(random, nil, nodes)
		for round := uint64(0); round < params["rounds"]; round++ {
			head = popNodes(&checksum, head, half)
			head = pushNodes(random, head, half)
		}
		popNodes(&checksum, head, nodes)
		countOps(nodes + half*params["rounds"])
		return checksum
	})
}
