// SPDX-License-Identifier: MIT

// Prints where Go's tiny allocator puts sequences of requests, and where the small requests between them go. Every class
// begins with a fresh span, whose first slot is spent; spans are numbered as they appear. Lines are
//
//	size span slot offset
//	flush                   the cache gave all its spans back, and dropped the block in use
package main

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"runtime"

	"spanlab/measure"
)

const (
	maxSize   = 64
	flush     = 0 // stands for a flush among sizes
	flushOdds = 150
	attempts  = 10
)

var slots = []int{16, 24, 32, 48, 64}

// slotOf is the slot size for a request: all spans of these classes have one page, which they fill from its start.
func slotOf(size int) uintptr {
	for _, slot := range slots {
		if size <= slot {
			return uintptr(slot)
		}
	}
	panic("not a size of this program")
}

func sequence(script string, seed uint64) []int {
	random := measure.Rand(seed)
	pick := func() int { return 1 }
	count := 2000
	switch script {
	case "given":
		return []int{4, 15, 8, 10, 8, 8, 1, 1, 2, 3}
	case "hundred":
		count = 100
	case "random":
		pick = func() int { return 1 + random.Below(15) }
	case "even": // where alignment matters most
		pick = func() int { return []int{1, 2, 4, 8, 6, 12, 3, 10}[random.Below(8)] }
	case "mixed": // other classes lie between and must not disturb the block; 16 bytes share its spans
		pick = func() int { return 1 + random.Below(maxSize) }
	default:
		fmt.Fprintln(os.Stderr, "no script", script)
		os.Exit(2)
	}
	sizes := make([]int, 0, count)
	for len(sizes) < count {
		if script != "hundred" && random.Below(flushOdds) == 0 {
			sizes = append(sizes, flush)
		} else {
			sizes = append(sizes, pick())
		}
	}
	return sizes
}

var stats runtime.MemStats

// record fills addresses. False: a class did not begin with a span of its own.
func record(sizes []int, addresses []uintptr) bool {
	runtime.ReadMemStats(&stats) // flushes the cache and with it the block in use
	for _, slot := range slots {
		p, _ := measure.ToFreshSpan(slot, false)
		if uintptr(p)%measure.PageBytes != 0 {
			return false
		}
	}
	for i, n := range sizes {
		if n == flush {
			runtime.ReadMemStats(&stats)
		} else {
			addresses[i] = uintptr(measure.Alloc(n, false))
		}
	}
	return true
}

// undisturbed says whether nobody else took a slot of these classes: within a span slots follow one another, and a new
// span begins where one has ended.
func undisturbed(sizes []int, addresses []uintptr) bool {
	last, seen, usable := map[uintptr]uintptr{}, map[uintptr]bool{}, measure.UsableBytes()
	for i, n := range sizes {
		if n == flush {
			continue
		}
		size := slotOf(n)
		page := addresses[i] &^ (measure.PageBytes - 1)
		slot := page + (addresses[i]-page)/size*size
		if seen[slot] {
			continue
		}
		seen[slot] = true
		if before, ok := last[size]; ok && slot != before+size {
			if slot != page || before%measure.PageBytes+2*size <= usable {
				return false
			}
		} else if !ok && slot != page+size {
			return false
		}
		last[size] = slot
	}
	return true
}

func main() {
	script := flag.String("script", "given", "given, hundred, random, even or mixed")
	seed := flag.Uint64("seed", 1, "of the random scripts")
	flag.Parse()
	measure.Begin()
	sizes := sequence(*script, *seed)
	addresses := make([]uintptr, len(sizes))
	for i := 0; !record(sizes, addresses) || !undisturbed(sizes, addresses); i++ {
		if i == attempts {
			fmt.Fprintln(os.Stderr, "the runtime allocates between our requests")
			os.Exit(1)
		}
	}
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	fmt.Fprintf(out, "# %s tiny allocator, script %s, seed %d: size span slot offset\n", runtime.Version(), *script, *seed)
	spans := map[uintptr]int{}
	for i, n := range sizes {
		if n == flush {
			fmt.Fprintln(out, "flush")
			continue
		}
		page := addresses[i] &^ (measure.PageBytes - 1)
		if _, seen := spans[page]; !seen {
			spans[page] = len(spans)
		}
		in := addresses[i] - page
		fmt.Fprintln(out, n, spans[page], in/slotOf(n), in%slotOf(n))
	}
}
