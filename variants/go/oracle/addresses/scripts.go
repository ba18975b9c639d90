// SPDX-License-Identifier: MIT

package main

import "spanlab/measure"

const (
	kib = 1 << 10
	mib = 1 << 20
)

var scripts = map[string]func(*recorder, *measure.Rand){
	"first":          first,
	"growth-1m":      growthEqual,
	"growth-edges":   growthEdges,
	"growth-huge":    growthHuge,
	"growth-small":   growthSmall,
	"growth-random":  growthRandom,
	"growth-blocked": growthBlocked,
	"hints-gone":     hintsGone,
	"large-noscan":   func(r *recorder, rng *measure.Rand) { large(r, rng, false) },
	"large-scan":     func(r *recorder, rng *measure.Rand) { large(r, rng, true) },
	"crossing":       crossing,
	"mixed-noscan":   func(r *recorder, rng *measure.Rand) { mixed(r, rng, false) },
	"mixed-scan":     func(r *recorder, rng *measure.Rand) { mixed(r, rng, true) },
	"mixed-both":     mixedBoth,
}

// between draws so that every power of two between the bounds is equally likely, in multiples of 8.
func between(rng *measure.Rand, low, high int) int {
	steps := 0
	for low<<(steps+1) <= high {
		steps++
	}
	base := low << rng.Below(steps+1)
	return min(base+rng.Below(base), high) &^ 7
}

// first says where the heap begins, and no more: the first chunk holds the runtime's objects, too.
func first(r *recorder, _ *measure.Rand) {
	r.fill()
}

func growthEqual(r *recorder, _ *measure.Rand) {
	r.fill()
	for i := 0; i < 160; i++ {
		r.alloc(mib, false)
	}
}

// growthEdges asks for whole chunks, a page less and a page more.
func growthEdges(r *recorder, rng *measure.Rand) {
	r.fill()
	for i := 0; i < 80; i++ {
		chunks := 1 + rng.Below(4)
		r.alloc(chunks*chunkBytes+(rng.Below(3)-1)*measure.PageBytes, rng.Below(2) == 0)
	}
}

// growthHuge asks for whole arenas, a page less and a page more, and fills what is left between them.
func growthHuge(r *recorder, rng *measure.Rand) {
	r.fill()
	for i := 0; i < 16; i++ {
		arenas := 1 + rng.Below(3)
		r.alloc(arenas*arenaBytes+(rng.Below(3)-1)*measure.PageBytes, false)
		for j := rng.Below(4); j > 0; j-- {
			r.alloc(between(rng, 64*kib, 16*mib), false)
		}
	}
}

// growthSmall grows by single pages, through the page cache.
func growthSmall(r *recorder, _ *measure.Rand) {
	r.fill()
	for i := 0; i < 160; i++ {
		r.many(measure.PageBytes, 100)
	}
}

func growthRandom(r *recorder, rng *measure.Rand) {
	r.fill()
	for i := 0; i < 400; i++ {
		r.alloc(between(rng, 32*kib+8, 24*mib), rng.Below(4) == 0)
	}
}

// growthBlocked has others take what the next hints ask for: each time the heap goes on at the next terabyte, and what
// was left of the reservation becomes free memory.
func growthBlocked(r *recorder, rng *measure.Rand) {
	r.fill()
	r.block(arenaBytes+uintptr(rng.Below(1000))*4096, 4096)
	r.block(2<<40, 4096) // all of this hint's first arena, so the one after the next
	r.alloc(24*mib+rng.Below(12*mib), false)
	r.alloc(48*mib, false) // more than is left
	for i := 0; i < 200; i++ {
		p := r.alloc(between(rng, 256*kib, 40*mib), false)
		if i == 40 {
			r.block((p-heapBase)&^(1<<40-1)+arenaBytes*16, 4096) // the heap is below it, and will get there
		}
	}
}

// hintsGone has others take whatever any hint asks for: the kernel chooses where the heap goes on, and from there it
// grows downwards, because there is no room above.
func hintsGone(r *recorder, rng *measure.Rand) {
	r.fill()
	r.block(arenaBytes, 4096)
	for hint := uintptr(1); hint < 64; hint++ {
		r.block(hint<<40, 4096)
	}
	r.steer(16 * mib)
	for i := 0; i < 150; i++ {
		r.alloc(between(rng, 256*kib, 40*mib), rng.Below(2) == 0)
	}
}

func large(r *recorder, rng *measure.Rand, pointers bool) {
	r.fill()
	for i := 0; i < 600; i++ {
		r.alloc(between(rng, 32*kib+8, 2*mib), pointers)
	}
}

// crossing lets spans lie over the borders of arenas, and fills the gaps before them.
func crossing(r *recorder, rng *measure.Rand) {
	r.fill()
	for i := 0; i < 60; i++ {
		r.alloc(20*mib+between(rng, 8*mib, 32*mib), rng.Below(2) == 0)
		for j := rng.Below(6); j > 0; j-- {
			r.alloc(between(rng, 32*kib+8, 8*mib), rng.Below(2) == 0)
		}
	}
}

// Slot sizes from one page with many objects to ten pages; the runtime itself uses few of them while a script runs.
var mixedSizes = []int{144, 208, 240, 352, 480, 576, 1152, 1408, 2688, 3456, 4864, 6784, 9472, 13568, 19072, 27264}

func mixed(r *recorder, rng *measure.Rand, pointers bool) {
	r.fill()
	for _, size := range mixedSizes {
		r.open(measure.Request(size, pointers), pointers)
	}
	for i := 0; i < 3000; i++ {
		if rng.Below(20) == 0 {
			r.alloc(between(rng, 32*kib+8, mib), pointers)
		} else {
			r.alloc(measure.Request(mixedSizes[rng.Below(len(mixedSizes))], pointers), pointers)
		}
	}
}

func mixedBoth(r *recorder, rng *measure.Rand) {
	r.fill()
	for _, size := range mixedSizes {
		r.open(measure.Request(size, false), false)
		r.open(measure.Request(size, true), true)
	}
	for i := 0; i < 3000; i++ {
		pointers := rng.Below(2) == 0
		if rng.Below(12) == 0 {
			r.alloc(between(rng, 32*kib+8, 8*mib), pointers)
		} else {
			r.alloc(measure.Request(mixedSizes[rng.Below(len(mixedSizes))], pointers), pointers)
		}
	}
}
