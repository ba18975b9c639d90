// SPDX-License-Identifier: MIT

package main

import "runtime"

// The twin of workloads/density.c.

const (
	densityPageBytes     = 8192
	densityPageTailBytes = 256
	densityPermille      = 1000
)

type densityCell struct {
	leadsTo *densityCell
	value   uint64
}

// densityRoom is a cell with room behind it.
type densityRoom[words any] struct {
	cell densityCell
	rest words
}

func newDensityRoom[words any]() *densityCell { return &new(densityRoom[words]).cell }

var densityNew = map[uint64]func() *densityCell{
	16:  func() *densityCell { return new(densityCell) },
	32:  newDensityRoom[[2]uint64],
	64:  newDensityRoom[[6]uint64],
	128: newDensityRoom[[14]uint64],
	256: newDensityRoom[[30]uint64],
	512: newDensityRoom[[62]uint64],
}

// densityHeap does not lie on the heap: a twin allocates what its C program does, and nothing else.
var densityHeap struct {
	newest *densityCell
	kept   []*densityCell
	found  uint64
	random rng
}

func init() {
	workloads["mark-density"] = workload{
		map[string]uint64{"size": 64, "pages": 4096, "permille": 20, "order": 0, "collections": 10},
		[]string{"size=16,pages=40,permille=20,order=1,collections=2", "size=64,pages=40,permille=125,collections=2",
			"size=512,pages=40,permille=1000,order=1,collections=2"},
		collectDensity}
	prepares["mark-density"] = buildDensity
}

func buildDensity(params map[string]uint64) {
	h, pages, permille := &densityHeap, params["pages"], params["permille"]
	newCell, known := densityNew[params["size"]]
	if !known {
		usage("mark-density has objects of 16, 32, 64, 128, 256 and 512 B")
	}
	pageCells := (densityPageBytes - densityPageTailBytes) / params["size"]
	keptOf := func(pages uint64) uint64 { return pages * pageCells * permille / densityPermille }
	if permille > densityPermille || keptOf(pages) == 0 {
		usage("mark-density needs permille to be at most 1000, and at least one object to stay")
	}
	h.newest, h.kept, h.random = nil, nil, *newRNG(seed, 0)
	for i := range pages * pageCells {
		cell := newCell()
		cell.value, cell.leadsTo = i, h.newest
		h.newest = cell
	}
	chooseDensity(pages, pageCells, keptOf)
	if params["order"] != 0 {
		shuffleDensity()
	}
	h.found = findDensity()
	runtime.GC()
}

func chooseDensity(pages, pageCells uint64, keptOf func(pages uint64) uint64) {
	h, left := &densityHeap, keptOf(pages)
	h.kept = make([]*densityCell, left)
	for page := pages; page > 0; page-- {
		wanted := left - keptOf(page-1)
		for slots := pageCells; slots > 0; slots-- {
			cell := h.newest
			h.newest, cell.leadsTo = cell.leadsTo, nil
			if h.random.below(slots) >= wanted {
				continue
			}
			left--
			h.kept[left] = cell
			wanted--
		}
	}
}

func shuffleDensity() {
	kept := densityHeap.kept
	for i := uint64(len(kept)) - 1; i > 0; i-- {
		other := densityHeap.random.below(i + 1)
		kept[i], kept[other] = kept[other], kept[i]
	}
}

func findDensity() (checksum uint64) {
	for _, cell := range densityHeap.kept {
		checksum = mix(checksum, cell.value)
	}
	return checksum
}

func collectDensity(params map[string]uint64) []uint64 {
	return parallel(1, func(_ uint64, _ *rng) uint64 {
		for range params["collections"] {
			runtime.GC()
		}
		countOps(params["collections"])
		return mix(0, densityHeap.found)
	})
}
