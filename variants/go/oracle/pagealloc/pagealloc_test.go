// SPDX-License-Identifier: MIT

//go:build spanlab_runtime

// Drives the real runtime.pageAlloc with random operations and prints each with what Go decided: the goldens
// results/golden/pagealloc-*.txt, which tests/goalloc/test_golden_page.c replays. The type can only be reached from inside
// the runtime, so this file has to be built as one of its tests: `run` beside it does that with a copy of the toolchain.
//
// Scavenging spares huge pages: record on a host that has them (2 MiB).
//
// Lines, with pages counted from the first one and -1 for none:
//
//	G page npages               more memory, free and given back
//	A npages page scavenged     allocate; scavenged counts pages
//	F page npages               free
//	T cache page free scavenged take a cache; the two are bitmaps
//	C cache npages page scavenged
//	L cache                     flush
//	S want released             scavenge; want -1 means all
package runtime_test

import (
	"bufio"
	"fmt"
	"os"
	. "runtime"
	"strconv"
	"testing"
)

const (
	pageBytes  = 8192
	chunkPages = 512
	phaseSteps = 1500
)

// First chunk and number of chunks.
type cluster [2]int

// Gaps within a table's page, and over several root entries.
var apart = []cluster{{0, 12}, {600, 4}, {30000, 8}}

// One step in a hundred is: below growing or shrinking, by phase, an allocation; below frees a free; below caches
// something with a cache; else a scavenge. The heap begins with the clusters; when an allocation finds nothing, the next
// of later is added.
type kind struct {
	clusters, later                   []cluster
	growing, shrinking, frees, caches int
	pages                             func(r *random) int
}

func mixedPages(r *random) int {
	n := 1 + r.below(8)
	switch r.below(12) {
	case 0, 1:
		n = 1 + r.below(120)
	case 2:
		n = 1 + r.below(1500)
	case 3:
		if r.below(8) == 0 {
			n = 1 + r.below(4000)
		}
	}
	return n
}

func fewPages(r *random) int { return 1 + r.below(6) }

var kinds = map[string]kind{
	"mixed": {apart, nil, 55, 35, 90, 99, mixedPages},
	// one chunk: it is full most of the time
	"small": {[]cluster{{0, 1}}, nil, 60, 40, 90, 99, fewPages},
	// single chunks under different entries of every level
	"sparse": {[]cluster{{0, 1}, {3, 1}, {9, 1}, {70, 1}, {513, 1}, {4097, 1}, {8200, 1}, {20000, 1}}, nil, 55, 40, 92, 99,
		func(r *random) int { return 1 + r.below(3)*r.below(260) }},
	// runs longer than a chunk
	"long": {apart, nil, 50, 30, 92, 99, func(r *random) int { return 1 + r.below(3000) }},
	// long runs over the borders between entries of every level
	"borders": {[]cluster{{5, 6}, {61, 6}, {509, 6}, {4092, 9}}, nil, 52, 30, 94, 99,
		func(r *random) int { return 1 + r.below(2)*r.below(2600) + r.below(40) }},
	"caches":    {[]cluster{{0, 8}, {600, 2}}, nil, 10, 5, 40, 99, mixedPages},
	"fragments": {[]cluster{{3, 12}}, nil, 70, 30, 95, 99, func(r *random) int { return 1 + r.below(2)*r.below(40) }},
	"scavenge":  {[]cluster{{0, 6}, {4100, 6}}, nil, 40, 25, 70, 80, mixedPages},
	// continues, leaves gaps, goes far away and back below what is there
	"growth": {[]cluster{{640, 1}}, []cluster{{641, 1}, {642, 2}, {646, 1}, {645, 1}, {700, 3}, {639, 1}, {512, 2}, {9000, 4},
		{8999, 1}, {511, 1}, {0, 2}, {30000, 8}, {2, 1}, {4096, 6}, {644, 1}, {4095, 1}}, 60, 45, 92, 98, mixedPages},
}

// splitmix64
type random uint64

func (r *random) below(n int) int {
	*r += 0x9e3779b97f4a7c15
	z := uint64(*r)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return int((z ^ z>>31) % uint64(n))
}

type run struct{ base, n uintptr }

type trace struct {
	*PageAlloc
	kind
	random
	out    *bufio.Writer
	runs   []run
	caches [3]PageCache
}

// page counts from the first page that any trace has.
func page(address uintptr) int {
	if address == 0 {
		return -1
	}
	return int((address - PageBase(BaseChunkIdx, 0)) / pageBytes)
}

func (t *trace) begin() {
	chunks, scav := map[ChunkIdx][]BitRange{}, map[ChunkIdx][]BitRange{}
	for _, c := range t.clusters {
		fmt.Fprintf(t.out, "G %d %d\n", c[0]*chunkPages, c[1]*chunkPages)
		for i := 0; i < c[1]; i++ {
			chunks[BaseChunkIdx+ChunkIdx(c[0]+i)] = nil
			scav[BaseChunkIdx+ChunkIdx(c[0]+i)] = []BitRange{{0, chunkPages}}
		}
	}
	t.PageAlloc = NewPageAlloc(chunks, scav)
}

func (t *trace) alloc() {
	n := uintptr(t.pages(&t.random))
	b, s := t.Alloc(n)
	fmt.Fprintf(t.out, "A %d %d %d\n", n, page(b), s/pageBytes)
	if b != 0 {
		t.runs = append(t.runs, run{b, n})
	} else if len(t.later) > 0 {
		c := t.later[0]
		t.later = t.later[1:]
		t.Grow(PageBase(BaseChunkIdx+ChunkIdx(c[0]), 0), uintptr(c[1]*chunkPages))
		fmt.Fprintf(t.out, "G %d %d\n", c[0]*chunkPages, c[1]*chunkPages)
	}
}

func (t *trace) free() {
	if len(t.runs) == 0 {
		return
	}
	at, last := t.below(len(t.runs)), len(t.runs)-1
	r := t.runs[at]
	t.Free(r.base, r.n)
	fmt.Fprintf(t.out, "F %d %d\n", page(r.base), r.n)
	t.runs[at] = t.runs[last]
	t.runs = t.runs[:last]
}

func (t *trace) cache() {
	at := t.below(len(t.caches))
	c := &t.caches[at]
	switch {
	case c.Empty():
		*c = t.AllocToCache()
		fmt.Fprintf(t.out, "T %d %d %x %x\n", at, page(c.Base()), c.Cache(), c.Scav()&c.Cache())
	case t.below(6) == 0:
		c.Flush(t.PageAlloc)
		fmt.Fprintf(t.out, "L %d\n", at)
	default:
		n := uintptr(fewPages(&t.random))
		b, s := c.Alloc(n)
		fmt.Fprintf(t.out, "C %d %d %d %d\n", at, n, page(b), s/pageBytes)
		if b != 0 {
			t.runs = append(t.runs, run{b, n})
		}
	}
}

func (t *trace) scavenge() {
	if t.below(3) == 0 {
		fmt.Fprintf(t.out, "S -1 %d\n", t.Scavenge(^uintptr(0))/pageBytes)
		return
	}
	want := uintptr(8 + t.below(600))
	fmt.Fprintf(t.out, "S %d %d\n", want, t.Scavenge(want*pageBytes)/pageBytes)
}

func TestPageAlloc(t *testing.T) {
	k, known := kinds[os.Getenv("PAGEALLOC_KIND")]
	seed, errSeed := strconv.ParseUint(os.Getenv("PAGEALLOC_SEED"), 10, 64)
	steps, errSteps := strconv.Atoi(os.Getenv("PAGEALLOC_STEPS"))
	if !known || errSeed != nil || errSteps != nil {
		t.Fatal("PAGEALLOC_KIND, _SEED and _STEPS say what to record")
	}
	f, err := os.Create(os.Getenv("PAGEALLOC_OUT"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tr := trace{kind: k, random: random(seed), out: bufio.NewWriter(f)}
	defer tr.out.Flush()
	fmt.Fprintf(tr.out, "# %s page allocator, %s, seed %d\n", Version(), os.Getenv("PAGEALLOC_KIND"), seed)
	tr.begin()
	for i := 0; i < steps; i++ {
		allocs := k.growing
		if i/phaseSteps%2 == 1 {
			allocs = k.shrinking
		}
		switch d := tr.below(100); {
		case d < allocs:
			tr.alloc()
		case d < k.frees:
			tr.free()
		case d < k.caches:
			tr.cache()
		default:
			tr.scavenge()
		}
	}
	FreePageAlloc(tr.PageAlloc)
}
