// SPDX-License-Identifier: MIT

//go:build spanlab_runtime

// Drives the real runtime.pageAlloc with random operations and prints each with what Go decided: the goldens
// results/golden/pagealloc*.txt, which tests/goalloc/test_golden_page.c replays. The type can only be reached from inside
// the runtime, so this file has to be built as one of its tests: `run` beside it does that with a copy of the toolchain.
//
// Scavenging spares huge pages: record on a host that has them (2 MiB).
//
// Lines, with pages counted from the first one and -1 for none:
//
//	G page npages               memory that was there from the start, free and given back
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

const pageBytes = 8192

// First chunk and number of chunks: gaps within a table's page, and over several root entries.
var apart = [][2]int{{0, 12}, {600, 4}, {30000, 8}}

// One step in a hundred is: below growing or shrinking, by phase, an allocation; below frees a free; below caches
// something with a cache; else a scavenge.
type kind struct {
	clusters                          [][2]int
	growing, shrinking, frees, caches uint64
	pages                             func(rng func(uint64) uintptr) uintptr
}

func mixedPages(rng func(uint64) uintptr) uintptr {
	n := 1 + rng(8)
	switch rng(12) {
	case 0, 1:
		n = 1 + rng(120)
	case 2:
		n = 1 + rng(1500)
	case 3:
		if rng(8) == 0 {
			n = 1 + rng(4000)
		}
	}
	return n
}

var kinds = map[string]kind{
	"mixed": {apart, 55, 35, 90, 99, mixedPages},
	// one chunk: it is full most of the time
	"small": {[][2]int{{0, 1}}, 60, 40, 90, 99, func(rng func(uint64) uintptr) uintptr { return 1 + rng(6) }},
	// runs longer than a chunk
	"long":      {apart, 50, 30, 92, 99, func(rng func(uint64) uintptr) uintptr { return 1 + rng(3000) }},
	"caches":    {[][2]int{{0, 8}, {600, 2}}, 10, 5, 40, 99, mixedPages},
	"fragments": {[][2]int{{3, 40}}, 70, 30, 95, 99, func(rng func(uint64) uintptr) uintptr { return 1 + rng(2)*rng(40) }},
	"scavenge":  {[][2]int{{0, 6}, {4100, 6}}, 40, 25, 70, 80, mixedPages},
}

type run struct {
	base uintptr
	n    uintptr
}

// page counts from the first page of the first cluster.
func page(address uintptr) int {
	if address == 0 {
		return -1
	}
	return int((address - PageBase(BaseChunkIdx, 0)) / pageBytes)
}

func TestPageAlloc(t *testing.T) {
	f, err := os.Create(os.Getenv("PAGEALLOC_OUT"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	defer w.Flush()
	k, known := kinds[os.Getenv("PAGEALLOC_KIND")]
	seed, errSeed := strconv.ParseUint(os.Getenv("PAGEALLOC_SEED"), 10, 64)
	steps, errSteps := strconv.Atoi(os.Getenv("PAGEALLOC_STEPS"))
	if !known || errSeed != nil || errSteps != nil || seed == 0 {
		t.Fatal("PAGEALLOC_KIND, _SEED (not 0) and _STEPS say what to record")
	}
	fmt.Fprintf(w, "# %s page allocator, %s\n", Version(), os.Getenv("PAGEALLOC_KIND"))
	rng := func(n uint64) uintptr {
		seed ^= seed << 13
		seed ^= seed >> 7
		seed ^= seed << 17
		return uintptr(seed % n)
	}
	chunks, scav := map[ChunkIdx][]BitRange{}, map[ChunkIdx][]BitRange{}
	for _, c := range k.clusters {
		fmt.Fprintf(w, "G %d %d\n", c[0]*512, c[1]*512)
		for i := 0; i < c[1]; i++ {
			chunks[BaseChunkIdx+ChunkIdx(c[0]+i)] = nil
			scav[BaseChunkIdx+ChunkIdx(c[0]+i)] = []BitRange{{0, 512}}
		}
	}
	p := NewPageAlloc(chunks, scav)
	var runs []run
	var caches [3]PageCache
	for i := 0; i < steps; i++ {
		// phases: grow for a while, then shrink for a while
		allocs := k.growing
		if i/1500%2 == 1 {
			allocs = k.shrinking
		}
		switch d := uint64(rng(100)); {
		case d < allocs:
			n := k.pages(rng)
			b, s := p.Alloc(n)
			fmt.Fprintf(w, "A %d %d %d\n", n, page(b), s/pageBytes)
			if b != 0 {
				runs = append(runs, run{b, n})
			}
		case d < k.frees:
			if len(runs) > 0 {
				at := rng(uint64(len(runs)))
				r := runs[at]
				p.Free(r.base, r.n)
				fmt.Fprintf(w, "F %d %d\n", page(r.base), r.n)
				runs[at] = runs[len(runs)-1]
				runs = runs[:len(runs)-1]
			}
		case d < k.caches:
			at := rng(3)
			c := &caches[at]
			if c.Empty() {
				*c = p.AllocToCache()
				fmt.Fprintf(w, "T %d %d %x %x\n", at, page(c.Base()), c.Cache(), c.Scav()&c.Cache())
			} else if rng(6) == 0 {
				c.Flush(p)
				fmt.Fprintf(w, "L %d\n", at)
			} else {
				n := 1 + rng(6)
				b, s := c.Alloc(n)
				fmt.Fprintf(w, "C %d %d %d %d\n", at, n, page(b), s/pageBytes)
				if b != 0 {
					runs = append(runs, run{b, n})
				}
			}
		default:
			if rng(3) == 0 {
				fmt.Fprintf(w, "S -1 %d\n", p.Scavenge(^uintptr(0))/pageBytes)
			} else {
				want := 8 + rng(600)
				fmt.Fprintf(w, "S %d %d\n", want, p.Scavenge(want*pageBytes)/pageBytes)
			}
		}
	}
	FreePageAlloc(p)
}
