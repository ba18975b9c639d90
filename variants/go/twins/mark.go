// SPDX-License-Identifier: MIT

package main

import "runtime"

// The twins of workloads/mark.c: one per shape.

type markCell struct {
	next  *markCell
	value uint64
}
type markSearch struct {
	less, more *markSearch
	key        uint64
}
type markPair struct{ left, right *markPair }
type markWide struct{ child [16]*markWide }
type markRecord struct {
	key     uint64
	follows *markRecord
	fields  [3]uint64
}

// markHeap is the heap that does not change, below root or table; found is what a walk over it gives. The random stream
// lies here because a twin allocates what its C program does, and nothing else.
var markHeap struct {
	root   any
	table  []*markRecord
	found  uint64
	random rng
}

type markShape struct {
	thousands uint64
	build     func(random *rng, nodes uint64) any
	count     func(root any) uint64
}

var markShapes = map[string]markShape{
	"empty":       {0, nil, nil},
	"list":        {3000, buildList, countList},
	"shuffled":    {3000, buildShuffled, countList},
	"search-tree": {2000, buildSearch, func(root any) uint64 { return root.(*markSearch).count() }},
	"perfect-tree": {4194, func(_ *rng, nodes uint64) any { return buildPairs(nodes) },
		func(root any) uint64 { return root.(*markPair).count() }},
	"fanout-tree": {1118, func(_ *rng, nodes uint64) any { return buildWide(nodes) },
		func(root any) uint64 { return root.(*markWide).count() }},
	"map": {1000, buildMap, countMap},
}

func init() {
	for name, shape := range markShapes {
		params, check := map[string]uint64{"collections": 10}, []string{"collections=3"}
		if shape.build != nil {
			params["nodes"], check = shape.thousands, []string{"nodes=5,collections=2"}
		}
		workloads["mark-"+name] = workload{params, check, collectHeap}
		prepares["mark-"+name] = func(params map[string]uint64) { buildHeap(shape, params["nodes"]*1000) }
	}
}

func buildHeap(shape markShape, nodes uint64) {
	markHeap.root, markHeap.table, markHeap.found = nil, nil, 0
	markHeap.random = *newRNG(seed, 0)
	if nodes != 0 {
		markHeap.root = shape.build(&markHeap.random, nodes)
		markHeap.found = shape.count(markHeap.root)
	}
	runtime.GC()
}

func collectHeap(params map[string]uint64) []uint64 {
	return parallel(1, func(_ uint64, _ *rng) uint64 {
		for i := uint64(0); i < params["collections"]; i++ {
			runtime.GC()
		}
		countOps(params["collections"])
		return mix(0, markHeap.found)
	})
}

func buildList(_ *rng, nodes uint64) any {
	var first, last *markCell
	for i := uint64(0); i < nodes; i++ {
		cell := &markCell{value: i}
		if last == nil {
			first = cell
		} else {
			last.next = cell
		}
		last = cell
	}
	return first
}

func buildShuffled(random *rng, nodes uint64) any {
	cells := make([]*markCell, nodes)
	for i := range cells {
		cells[i] = &markCell{value: uint64(i)}
	}
	for i := nodes - 1; i > 0; i-- {
		other := random.below(i + 1)
		cells[i], cells[other] = cells[other], cells[i]
	}
	for i := uint64(0); i+1 < nodes; i++ {
		cells[i].next = cells[i+1]
	}
	return cells[0]
}

func countList(root any) (sum uint64) {
	for cell := root.(*markCell); cell != nil; cell = cell.next {
		sum += cell.value + 1
	}
	return sum
}

func buildSearch(random *rng, nodes uint64) any {
	var root *markSearch
	for i := uint64(0); i < nodes; i++ {
		node, slot := &markSearch{key: random.next()}, &root
		for at := root; at != nil; at = *slot {
			slot = &at.more
			if node.key < at.key {
				slot = &at.less
			}
		}
		*slot = node
	}
	return root
}

func (n *markSearch) count() uint64 {
	if n == nil {
		return 0
	}
	return n.key%1024 + n.less.count() + n.more.count()
}

func buildPairs(nodes uint64) *markPair {
	pair := &markPair{}
	if nodes > 2 {
		pair.left, pair.right = buildPairs(nodes/2), buildPairs(nodes/2)
	}
	return pair
}

func (p *markPair) count() uint64 {
	if p.left == nil {
		return 1
	}
	return 1 + p.left.count() + p.right.count()
}

func buildWide(nodes uint64) *markWide {
	wide := &markWide{}
	for i := 0; nodes > 16 && i < 16; i++ {
		wide.child[i] = buildWide(nodes / 16)
	}
	return wide
}

func (w *markWide) count() uint64 {
	nodes := uint64(1)
	for i := 0; i < 16 && w.child[i] != nil; i++ {
		nodes += w.child[i].count()
	}
	return nodes
}

func buildMap(random *rng, nodes uint64) any {
	table := make([]*markRecord, nodes*2)
	markHeap.table = table
	slots := uint64(len(table))
	var last *markRecord
	for i := uint64(0); i < nodes; i++ {
		last = &markRecord{key: random.next(), follows: last}
		at := last.key % slots
		for table[at] != nil {
			if at++; at == slots {
				at = 0
			}
		}
		table[at] = last
	}
	return nil
}

func countMap(any) (sum uint64) {
	for i, record := range markHeap.table {
		if record != nil {
			sum += record.key%1024 + uint64(i%7)
		}
	}
	return sum
}
