// SPDX-License-Identifier: MIT

// Measures what the size classes are: from the addresses of objects, from the growth of the heap at each request and
// from the row of /gc/heap/allocs-by-size:bytes that counts it.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"math/bits"
	"os"
	"runtime"
	"runtime/metrics"
	"unsafe"

	"spanlab/measure"
)

var out = bufio.NewWriter(os.Stdout)

type layout struct {
	pages, objects int
	lastEnd        uintptr // end of the last slot, from the span's base
	addressBits    uintptr // all bits that slot addresses have
}

// fresh fills a fresh span of a class from its first to its last object.
func fresh(size int, pointers bool) layout {
	request := measure.Request(size, pointers)
	header := uintptr(0)
	if pointers && size > measure.MaxBitmap {
		header = measure.HeaderBytes
	}
	var l layout
	for spans := 0; spans < 4; spans++ {
		p, pages := measure.ToFreshSpan(request, pointers)
		first := uintptr(p) - header
		l = layout{pages: pages, addressBits: l.addressBits}
		for pages = 0; pages == 0; p, pages = measure.AllocGrow(request, pointers) {
			l.objects++
			l.addressBits |= uintptr(p) - header
			l.lastEnd = max(l.lastEnd, uintptr(p)-header+uintptr(size)-first)
		}
	}
	return l
}

func objects(pointers bool) {
	fmt.Fprintf(out, "# %s objects per span, pointers %v, GOEXPERIMENT=%s: class slot_bytes pages objects "+
		"bytes_behind_last_slot\n", runtime.Version(), pointers, os.Getenv("GOEXPERIMENT"))
	for class, size := range measure.Sizes() {
		// Pointer-free requests below 16 B are combined, so class 1 serves none.
		if class == 0 || class == 1 && !pointers {
			continue
		}
		l := fresh(size, pointers)
		fmt.Fprintln(out, class, size, l.pages, l.objects, l.pages*measure.PageBytes-int(l.lastEnd))
	}
}

// table: only scan spans use class 1, and they end with 128 B of pointer bits; its row counts what would fit without.
func table() {
	fmt.Fprintf(out, "# %s size classes: class bytes pages objects tail_waste worst_waste_in_0.01%% alignment\n",
		runtime.Version())
	sizes := measure.Sizes()
	fmt.Fprintln(out, 0, sizes[0], 0, 0, 0, 0, 0)
	for class := 1; class < len(sizes); class++ {
		size := sizes[class]
		l := fresh(size, class == 1)
		span := l.pages * measure.PageBytes
		if class == 1 {
			l.objects = span / size
		}
		tail := span - l.objects*size
		wasted := (size-sizes[class-1]-1)*l.objects + tail
		alignment := min(1<<bits.TrailingZeros64(uint64(l.addressBits)), measure.PageBytes)
		fmt.Fprintln(out, class, size, l.pages, l.objects, tail, (wasted*10000+span/2)/span, alignment)
	}
}

var bySize = []metrics.Sample{{Name: "/gc/heap/allocs-by-size:bytes"}}

// counted allocates and says which class the runtime counted it in; 0 is large, -1 nothing.
func counted(n int, pointers bool, before, after []uint64) (unsafe.Pointer, int) {
	snapshot(before)
	p := measure.Alloc(n, pointers)
	snapshot(after)
	for i := range after {
		if after[i] != before[i] {
			return p, (i + 1) % measure.ClassCount
		}
	}
	return p, -1
}

// snapshot flushes the cache's counters first.
func snapshot(counts []uint64) {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	metrics.Read(bySize)
	copy(counts, bySize[0].Value.Float64Histogram().Counts)
}

func requests(pointers bool) {
	fmt.Fprintf(out, "# %s every request from 0 to 40000 bytes, pointers %v (multiples of 8 then): from to class "+
		"slot_bytes span_pages header_bytes; class -1 is no allocation, 0 large\n", runtime.Version(), pointers)
	sizes := measure.Sizes()
	pages := make([]int, len(sizes))
	for class := 1; class < len(sizes); class++ {
		_, pages[class] = measure.ToFreshSpan(measure.Request(sizes[class], class == 1 || pointers), class == 1 || pointers)
	}
	before, after := make([]uint64, measure.ClassCount), make([]uint64, measure.ClassCount)
	snapshot(before) // the first one allocates
	type row struct{ class, slot, pages, header int }
	var last row
	from, to, step := 0, 0, 1
	if pointers {
		step = 8
	}
	for n := 0; n <= 40000; n += step {
		p, class := counted(n, pointers, before, after)
		r := row{class: class}
		switch {
		case class > 0:
			r.slot, r.pages = sizes[class], pages[class]
			if r.pages == 1 {
				r.header = int(uintptr(p)%measure.PageBytes) % r.slot
			} else {
				r.header = int(uintptr(p)) & (min(r.slot&-r.slot, measure.PageBytes) - 1)
			}
		case class == 0:
			_, r.pages = measure.AllocGrow(n, pointers)
			r.slot, r.header = r.pages*measure.PageBytes, int(uintptr(p)%measure.PageBytes)
		}
		if n > 0 && r != last {
			fmt.Fprintln(out, from, to, last.class, last.slot, last.pages, last.header)
			from = n
		}
		last, to = r, n
	}
	fmt.Fprintln(out, from, to, last.class, last.slot, last.pages, last.header)
}

func large() {
	fmt.Fprintf(out, "# %s large objects: S (no pointers) or P (pointers), request_bytes pages\n", runtime.Version())
	for _, pages := range []int{4, 5, 6, 7, 8, 15, 16, 17, 31, 63, 64, 65, 127, 128, 129, 511, 512, 513, 1000, 4096, 8191,
		8192, 8193, 16384} {
		for _, more := range []int{-8191, -4096, -16, -8, -1, 0, 1, 7, 8, 16, 4095, 4096} {
			n := pages*measure.PageBytes + more
			if n <= measure.MaxSmall {
				continue
			}
			_, got := measure.AllocGrow(n, false)
			fmt.Fprintln(out, "S", n, got)
			if n%8 == 0 {
				_, got = measure.AllocGrow(n, true)
				fmt.Fprintln(out, "P", n, got)
			}
		}
	}
}

func zero() {
	fmt.Fprintf(out, "# %s requests of 0 bytes: S or P, same address as the first, objects counted, bytes of heap\n",
		runtime.Version())
	first := measure.Alloc(0, false)
	var before, after runtime.MemStats
	for i := 0; i < 8; i++ {
		pointers := i%2 == 1
		runtime.ReadMemStats(&before)
		p, pages := measure.AllocGrow(0, pointers)
		runtime.ReadMemStats(&after)
		kind := "S"
		if pointers {
			kind = "P"
		}
		fmt.Fprintln(out, kind, p == first, after.Mallocs-before.Mallocs, pages*measure.PageBytes)
	}
}

func main() {
	what := flag.String("what", "", "table, objects, requests, large or zero")
	pointers := flag.Bool("pointers", false, "objects with pointers")
	flag.Parse()
	measure.Begin()
	defer out.Flush()
	switch *what {
	case "table":
		table()
	case "objects":
		objects(*pointers)
	case "requests":
		requests(*pointers)
	case "large":
		large()
	case "zero":
		zero()
	default:
		flag.Usage()
		os.Exit(2)
	}
}
