// SPDX-License-Identifier: MIT

// Prints in which order Go hands out the slots of a span: of fresh ones, and of ones that a collection has swept. Offsets
// of slots count from the span's base; a run of equal steps is written as step*count, so every object is in the file.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"unsafe"

	"spanlab/measure"
)

const (
	freshSpans = 3
	attempts   = 10
)

var out = bufio.NewWriter(os.Stdout)

// steps is a sequence of addresses as its first offset from base and its steps.
func steps(base uintptr, sequence []uintptr) string {
	line := fmt.Sprint(" ", int(sequence[0]-base))
	for i := 1; i < len(sequence); {
		step, n := int(sequence[i]-sequence[i-1]), 0
		for ; i < len(sequence) && int(sequence[i]-sequence[i-1]) == step; i++ {
			n++
		}
		line += fmt.Sprintf(" %d*%d", step, n)
	}
	return line + "\n"
}

// fill returns all objects of a fresh span, in the order of allocation.
func fill(request int, pointers bool) []uintptr {
	sequence := make([]uintptr, 0, measure.PageBytes/8)
	p, pages := measure.ToFreshSpan(request, pointers)
	for pages = 0; pages == 0; p, pages = measure.AllocGrow(request, pointers) {
		sequence = append(sequence, uintptr(p))
	}
	return sequence
}

func inGroup(class, size int, group string) bool {
	switch group {
	case "noscan-to-512":
		return class >= 2 && size <= measure.MaxBitmap
	case "scan-bitmap":
		return class >= 1 && size <= measure.MaxBitmap
	case "noscan-above-512", "scan-header":
		return size > measure.MaxBitmap
	}
	fmt.Fprintln(os.Stderr, "no group", group)
	os.Exit(2)
	return false
}

func fresh(group string) {
	fmt.Fprintf(out, "# %s order of slots in fresh spans, %s: class slot_bytes objects first_offset step*count...\n",
		runtime.Version(), group)
	pointers := group[0] == 's'
	for class, size := range measure.Sizes() {
		if !inGroup(class, size, group) {
			continue
		}
		for i := 0; i < freshSpans; i++ {
			sequence := fill(measure.Request(size, pointers), pointers)
			fmt.Fprint(out, class, " ", size, " ", len(sequence))
			fmt.Fprint(out, steps(slices.Min(sequence)&^(measure.PageBytes-1), sequence))
		}
	}
}

// untilGrowth allocates until no swept span has a slot left: only then does the heap give a new span.
func untilGrowth(request int, pointers bool) []uintptr {
	sequence := make([]uintptr, 0, 4*measure.PageBytes/8)
	for p, pages := measure.AllocGrow(request, pointers); pages == 0; p, pages = measure.AllocGrow(request, pointers) {
		sequence = append(sequence, uintptr(p))
	}
	return sequence
}

// keep holds objects across a collection.
var keep []unsafe.Pointer

// keepSpans fills fresh spans and keeps their objects; starts is where each span's begin in keep, and the end.
func keepSpans(request, spans int, pointers bool) (starts []int) {
	keep = keep[:0]
	starts = make([]int, 0, spans+1)
	p, pages := measure.ToFreshSpan(request, pointers)
	for len(starts) < spans {
		starts = append(starts, len(keep))
		for pages = 0; pages == 0; p, pages = measure.AllocGrow(request, pointers) {
			keep = append(keep, p)
		}
	}
	return append(starts, len(keep))
}

// reuse collects and fills what has become free: a line per span whose slots follow each other, and how many slots there
// were. One that was free and is not among them was taken by the runtime, which allocates when it needs a thread more.
func reuse(class, size int, pointers bool, bases []uintptr, spanBytes uintptr) (string, int) {
	runtime.GC()
	sequence := untilGrowth(measure.Request(size, pointers), pointers)
	lines, order, reused := "", 0, 0
	for i := 0; i < len(sequence); {
		within := func(b uintptr) bool { return sequence[i] >= b && sequence[i] < b+spanBytes }
		span, from := slices.IndexFunc(bases, within), i
		if span < 0 {
			i++
			continue
		}
		for ; i < len(sequence) && within(bases[span]); i++ {
		}
		lines += fmt.Sprint(class, " ", size, " ", order, " ", span, " ", i-from) + steps(bases[span], sequence[from:i])
		order++
		reused += i - from
	}
	return lines, reused
}

// reusable is how many slots are free beside objects that are kept; spans without any go back to the heap.
func reusable(starts []int) (free int) {
	for i, start := range starts[:len(starts)-1] {
		span, dead := keep[start:starts[i+1]], 0
		for _, p := range span {
			if p == nil {
				dead++
			}
		}
		if dead < len(span) {
			free += dead
		}
	}
	return free
}

func recycled(group, pattern string, seed uint64) {
	fmt.Fprintf(out, "# %s order of slots in spans swept by a collection, %s, "+
		"%s freed, seed %d: class slot_bytes span_in_order_of_reuse span_in_order_of_birth objects first_offset "+
		"step*count...\n", runtime.Version(), group, pattern, seed)
	const spans = 4
	pointers := group[0] == 's'
	rng := measure.Rand(seed)
	keep = make([]unsafe.Pointer, 0, spans*measure.PageBytes/8)
	for class, size := range measure.Sizes() {
		if !inGroup(class, size, group) || class%4 != 2 {
			continue
		}
		for attempt := 1; ; attempt++ {
			before := rng
			starts := keepSpans(measure.Request(size, pointers), spans, pointers)
			bases := make([]uintptr, spans)
			for i := range bases {
				bases[i] = uintptr(keep[starts[i]]) &^ (measure.PageBytes - 1)
			}
			for i := range keep {
				if pattern == "other" && i%2 == 1 || pattern == "random" && rng.Below(3) > 0 {
					keep[i] = nil
				}
			}
			free := reusable(starts)
			lines, reused := reuse(class, size, pointers, bases, uintptr(size*starts[1]))
			if reused == free {
				fmt.Fprint(out, lines)
				break
			}
			if attempt == attempts {
				fmt.Fprintln(os.Stderr, "the runtime allocates between our requests")
				os.Exit(1)
			}
			rng = before
		}
	}
}

func main() {
	group := flag.String("group", "", "noscan-to-512, noscan-above-512, scan-bitmap or scan-header")
	freed := flag.String("freed", "", "other or random: free these, collect, and print the order of reuse")
	seed := flag.Uint64("seed", 1, "for -freed random")
	flag.Parse()
	measure.Begin()
	defer out.Flush()
	if *freed == "" {
		fresh(*group)
	} else {
		recycled(*group, *freed, *seed)
	}
}
