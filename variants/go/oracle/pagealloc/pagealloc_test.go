// SPDX-License-Identifier: MIT

//go:build spanlab_runtime

// Drives the real runtime.pageAlloc with random operations and prints each with what Go decided: the golden
// results/golden/pagealloc.txt, which tests/goalloc/test_page.c replays. The type can only be reached from inside the
// runtime, so this file has to be built as one of its tests: copy the go1.25.3 toolchain to a directory of your own,
// keep only the export_*_test.go files in its src/runtime, put this file beside them, and with that copy's go and
// GOTOOLCHAIN=local GOROOT=COPY run
//
//	PAGEALLOC_OUT=pagealloc.txt go test -vet=off -tags spanlab_runtime -run TestPageAlloc runtime
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
	"testing"
)

const pageBytes = 8192

// First chunk and number of chunks: gaps within a table's page, and over several root entries.
var clusters = [][2]int{{0, 12}, {600, 4}, {30000, 8}}

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
	fmt.Fprintf(w, "# %s page allocator\n", Version())
	seed := uint64(20251013)
	rng := func(n uint64) uintptr {
		seed ^= seed << 13
		seed ^= seed >> 7
		seed ^= seed << 17
		return uintptr(seed % n)
	}
	chunks, scav := map[ChunkIdx][]BitRange{}, map[ChunkIdx][]BitRange{}
	for _, c := range clusters {
		fmt.Fprintf(w, "G %d %d\n", c[0]*512, c[1]*512)
		for i := 0; i < c[1]; i++ {
			chunks[BaseChunkIdx+ChunkIdx(c[0]+i)] = nil
			scav[BaseChunkIdx+ChunkIdx(c[0]+i)] = []BitRange{{0, 512}}
		}
	}
	p := NewPageAlloc(chunks, scav)
	var runs []run
	var caches [3]PageCache
	for i := 0; i < 6000; i++ {
		// phases: grow for a while, then shrink for a while
		allocs := uint64(55)
		if i/1500%2 == 1 {
			allocs = 35
		}
		switch d := uint64(rng(100)); {
		case d < allocs:
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
			b, s := p.Alloc(n)
			fmt.Fprintf(w, "A %d %d %d\n", n, page(b), s/pageBytes)
			if b != 0 {
				runs = append(runs, run{b, n})
			}
		case d < 90:
			if len(runs) > 0 {
				k := rng(uint64(len(runs)))
				r := runs[k]
				p.Free(r.base, r.n)
				fmt.Fprintf(w, "F %d %d\n", page(r.base), r.n)
				runs[k] = runs[len(runs)-1]
				runs = runs[:len(runs)-1]
			}
		case d < 99:
			k := rng(3)
			c := &caches[k]
			if c.Empty() {
				*c = p.AllocToCache()
				fmt.Fprintf(w, "T %d %d %x %x\n", k, page(c.Base()), c.Cache(), c.Scav()&c.Cache())
			} else if rng(6) == 0 {
				c.Flush(p)
				fmt.Fprintf(w, "L %d\n", k)
			} else {
				n := 1 + rng(6)
				b, s := c.Alloc(n)
				fmt.Fprintf(w, "C %d %d %d %d\n", k, n, page(b), s/pageBytes)
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
