// SPDX-License-Identifier: MIT

package main

import (
	"math/bits"
	"runtime"
	"sync"
	"sync/atomic"
)

// The twin of workloads/graph-exchange.c.

const (
	exchangeSlots    = 64
	exchangeNodesMin = 16
	exchangeNodesMax = 127
	exchangeTurns    = 8
)

type exchangeNode struct {
	left, right, next *exchangeNode
	value             uint64
}

var exchangeTable [exchangeSlots]struct {
	lock sync.Mutex
	root *exchangeNode
}

func init() {
	workloads["graph-exchange"] = workload{
		map[string]uint64{"threads": 2, "live": 4, "rounds": 200},
		[]string{"live=1,rounds=2,threads=1", "live=1,rounds=3,threads=3"},
		graphExchange,
	}
}

func makeExchange(random *rng, ops *uint64) *exchangeNode {
	root := &exchangeNode{value: random.next()}
	root.next = root
	nodes := random.between(exchangeNodesMin, exchangeNodesMax)
	*ops += nodes
	for n := nodes; n > 1; n-- {
		node, child := &exchangeNode{value: random.next()}, &root
		way := node.value
		for at := root; at != nil; at = *child {
			child = &at.left
			if way&1 != 0 {
				child = &at.right
			}
			way = bits.RotateLeft64(way, -1)
		}
		*child = node
		node.next = root.next
		root.next = node
	}
	return root
}

func (n *exchangeNode) turn(random *rng) {
	way := random.next()
	for i := 0; i < exchangeTurns && n != nil; i++ {
		n.left, n.right = n.right, n.left
		if way&1 != 0 {
			n = n.right
		} else {
			n = n.left
		}
		way >>= 1
	}
}

func (n *exchangeNode) foldTree() uint64 {
	if n == nil {
		return 0
	}
	return n.value + n.left.foldTree() + n.right.foldTree()
}

func (n *exchangeNode) retire(total *atomic.Uint64) {
	if n == nil {
		return
	}
	sum := n.foldTree()*3 + n.value
	for at := n.next; at != n; at = at.next {
		sum += at.value
	}
	total.Add(sum)
}

// swapExchange waits without sleeping: a goroutine that sleeps on a lock makes the runtime allocate.
func swapExchange(slot uint64, mine *exchangeNode) *exchangeNode {
	s := &exchangeTable[slot]
	for !s.lock.TryLock() {
		runtime.Gosched()
	}
	theirs := s.root
	s.root = mine
	s.lock.Unlock()
	return theirs
}

// Inlined, few graphs would lie on the stack.
//
//go:noinline
func newHands(n uint64) []*exchangeNode { return make([]*exchangeNode, n) }

func graphExchange(params map[string]uint64) []uint64 {
	threads := params["threads"]
	graphs := params["live"] << 20 / 32 / ((exchangeNodesMin + exchangeNodesMax) / 2) / threads
	rounds := params["rounds"] * 1000 / threads
	var total atomic.Uint64
	checksums := parallel(threads, func(_ uint64, random *rng) uint64 {
		hands, ops := newHands(graphs), uint64(1)
		for i := uint64(0); i < rounds; i++ {
			old := hands[i%graphs]
			hands[i%graphs] = makeExchange(random, &ops)
			old.retire(&total)
			any := &hands[random.below(graphs)]
			*any = swapExchange(random.below(exchangeSlots), *any)
			(*any).turn(random)
		}
		for _, root := range hands {
			root.retire(&total)
		}
		countOps(ops)
		return 0
	})
	return append(checksums, parallel(1, func(_ uint64, _ *rng) uint64 {
		for i := range uint64(exchangeSlots) {
			swapExchange(i, nil).retire(&total)
		}
		return mix(0, total.Load())
	})...)
}
