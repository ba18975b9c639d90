// SPDX-License-Identifier: MIT

package main

// The twin of workloads/shuffled-graph.c.

const (
	graphDegree  = 4
	graphRewired = 3
	graphSteps   = 8
)

type graphNode struct {
	edge              [graphDegree]*graphNode
	value, references uint64
}

// shuffled is one thread's graph.
type shuffled struct {
	table         []*graphNode
	random        *rng
	checksum, ops uint64
}

func init() {
	workloads["shuffled-graph"] = workload{
		map[string]uint64{"threads": 1, "live": 4, "rounds": 2000},
		[]string{"live=1,rounds=20,threads=1", "live=1,rounds=9,threads=2"},
		shuffledGraph,
	}
}

func (g *shuffled) newNode() *graphNode {
	g.ops++
	return &graphNode{value: g.random.next(), references: 1}
}

// release counts as the C program does, which has to know when to free.
func (g *shuffled) release(n *graphNode) {
	if n == nil {
		return
	}
	if n.references--; n.references == 0 {
		g.checksum += n.value
	}
}

func (g *shuffled) lead(edge **graphNode, to *graphNode) {
	before := *edge
	to.references++
	*edge = to
	g.release(before)
}

func (g *shuffled) anyNode() *graphNode { return g.table[g.random.below(uint64(len(g.table)))] }

func (g *shuffled) chosen(draw uint64) *graphNode { return g.table[draw>>32*uint64(len(g.table))>>32] }

func (g *shuffled) leadAll(n *graphNode) {
	for i := range n.edge {
		g.lead(&n.edge[i], g.anyNode())
	}
}

func (g *shuffled) clearEdges(n *graphNode) {
	for i, before := range n.edge {
		n.edge[i] = nil
		g.release(before)
	}
}

func (g *shuffled) replace() {
	slot := &g.table[g.random.below(uint64(len(g.table)))]
	old := *slot
	g.clearEdges(old)
	*slot = g.newNode()
	g.release(old)
	g.leadAll(*slot)
}

func (g *shuffled) rewire() {
	draw := g.random.next()
	from := g.chosen(draw)
	g.lead(&from.edge[draw%graphDegree], g.anyNode())
}

func (g *shuffled) walk() {
	var sum uint64
	draw := g.random.next()
	at := g.chosen(draw)
	for i := 0; i < graphSteps && at != nil; i++ {
		sum = sum*3 + at.value
		at = at.edge[draw%graphDegree]
		draw /= graphDegree
	}
	g.checksum = mix(g.checksum, sum)
}

func shuffledGraph(params map[string]uint64) []uint64 {
	threads := params["threads"]
	nodes, rounds := params["live"]<<20/(2*48+8)/threads, params["rounds"]*1000/threads
	return parallel(threads, func(_ uint64, random *rng) uint64 {
		g := shuffled{make([]*graphNode, nodes), random, 0, 1}
		for i := range g.table {
			g.table[i] = g.newNode()
		}
		for _, n := range g.table {
			g.leadAll(n)
		}
		for i := uint64(0); i < rounds; i++ {
			g.replace()
			for k := 0; k < graphRewired; k++ {
				g.rewire()
			}
			g.walk()
		}
		for _, n := range g.table {
			g.clearEdges(n)
		}
		for _, n := range g.table {
			g.release(n)
		}
		countOps(g.ops)
		return g.checksum
	})
}
