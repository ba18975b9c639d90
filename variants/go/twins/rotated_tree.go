// SPDX-License-Identifier: MIT

package main

// The twin of workloads/rotated-tree.c.

const (
	treapItemMin   = 8
	treapItemMax   = 71
	treapNodeBytes = 56
)

type treapNode struct {
	left, right   *treapNode
	item          []byte
	key, priority uint64
}

func init() {
	workloads["rotated-tree"] = workload{
		map[string]uint64{"threads": 1, "live": 4, "rounds": 800},
		[]string{"live=1,rounds=20,threads=1", "live=1,rounds=12,threads=3"},
		rotatedTree,
	}
}

// splitmix is rng_splitmix of harness/bench/rng.h: the next state, and the number drawn.
func splitmix(x uint64) (state, drawn uint64) {
	x += 0x9e3779b97f4a7c15
	z := (x ^ x>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return x, z ^ z>>31
}

func treapKey(base, i uint64) uint64 {
	_, key := splitmix(base + i*0x9e3779b97f4a7c15)
	return key
}

func newTreapEntry(key uint64) *treapNode {
	state, priority := splitmix(key)
	n := &treapNode{key: key, priority: priority}
	n.item = make([]byte, treapItemMin+state%(treapItemMax-treapItemMin+1))
	for i := range n.item {
		n.item[i] = byte(key)
	}
	return n
}

func (n *treapNode) fold() uint64 { return n.key + uint64(n.item[len(n.item)-1]) }

func rotateRight(slot **treapNode) {
	n := *slot
	up := n.left
	n.left = up.right
	up.right = n
	*slot = up
}

func rotateLeft(slot **treapNode) {
	n := *slot
	up := n.right
	n.right = up.left
	up.left = n
	*slot = up
}

func insertTreap(slot **treapNode, fresh *treapNode) {
	n := *slot
	if n == nil {
		*slot = fresh
	} else if fresh.key < n.key {
		insertTreap(&n.left, fresh)
		if n.left.priority > n.priority {
			rotateRight(slot)
		}
	} else {
		insertTreap(&n.right, fresh)
		if n.right.priority > n.priority {
			rotateLeft(slot)
		}
	}
}

func findTreap(slot **treapNode, key uint64) **treapNode {
	for (*slot).key != key {
		if key < (*slot).key {
			slot = &(*slot).left
		} else {
			slot = &(*slot).right
		}
	}
	return slot
}

func removeTreap(slot **treapNode, key uint64) *treapNode {
	slot = findTreap(slot, key)
	n := *slot
	for n.left != nil && n.right != nil {
		if up := n.left; up.priority > n.right.priority {
			rotateRight(slot)
			slot = &up.right
		} else {
			up = n.right
			rotateLeft(slot)
			slot = &up.left
		}
	}
	if *slot = n.left; n.left == nil {
		*slot = n.right
	}
	return n
}

// Inlined, it would keep the head on the stack.
//
//go:noinline
func newTreap() *treapNode { return &treapNode{} }

func rotatedTree(params map[string]uint64) []uint64 {
	threads := params["threads"]
	nodes := params["live"] << 20 / (treapNodeBytes + (treapItemMin+treapItemMax)/2) / threads
	rounds := params["rounds"] * 1000 / threads
	return parallel(threads, func(_ uint64, random *rng) uint64 {
		var checksum uint64
		base, head := random.next(), newTreap()
		for i := uint64(0); i < nodes; i++ {
			insertTreap(&head.left, newTreapEntry(treapKey(base, i)))
		}
		for i := uint64(0); i < rounds; i++ {
			checksum = mix(checksum, removeTreap(&head.left, treapKey(base, i)).fold())
			insertTreap(&head.left, newTreapEntry(treapKey(base, nodes+i)))
			found := *findTreap(&head.left, treapKey(base, i+1+random.below(nodes)))
			checksum += uint64(found.item[0])
		}
		for i := uint64(0); i < nodes; i++ {
			checksum = mix(checksum, removeTreap(&head.left, treapKey(base, rounds+i)).fold())
		}
		countOps(1 + 2*(nodes+rounds))
		return checksum
	})
}
