// SPDX-License-Identifier: MIT

// Prints what Go's statistics say of scripted requests. Every class, with and without pointers, begins with a fresh span
// whose first slot is spent, and the heap with 4 MiB of which one page is: nothing that follows depends on what the
// runtime has done before. Lines of the script are
//
//	noscan size count
//	scan size count      objects made of pointers
//	read                 ReadMemStats, then the metrics
//	metrics              the metrics alone: they do not flush the cache, and lag behind it
//
// and behind the last two stands what has changed since the one before: fields of MemStats (by_size: class, slot bytes,
// mallocs, frees) after read only, then metrics (the histogram as bucket and count).
package main

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/metrics"

	"spanlab/measure"
)

const (
	attempts  = 10
	stepBytes = 4 << 20 // by which the heap grows
)

// Kinds of operations.
const (
	noscan = iota
	scan
	read
	readMetrics
)

var kindNames = []string{"noscan", "scan", "read", "metrics"}

type operation struct{ kind, size, count int }

// reading is what one read or metrics operation has found.
type reading struct {
	stats  runtime.MemStats
	values []uint64 // of the two counters
	counts []uint64 // of the histogram's buckets
}

var samples = []metrics.Sample{
	{Name: "/gc/heap/allocs:objects"},
	{Name: "/gc/heap/tiny/allocs:objects"},
	{Name: "/gc/heap/allocs-by-size:bytes"},
}

var heapSys = []metrics.Sample{
	{Name: "/memory/classes/heap/objects:bytes"},
	{Name: "/memory/classes/heap/unused:bytes"},
	{Name: "/memory/classes/heap/free:bytes"},
	{Name: "/memory/classes/heap/released:bytes"},
}

func newReading() *reading {
	return &reading{values: make([]uint64, 2), counts: make([]uint64, measure.ClassCount)}
}

// take fills r; it allocates nothing.
func (r *reading) take(flush bool) {
	if flush {
		runtime.ReadMemStats(&r.stats)
	}
	metrics.Read(samples)
	for i := range r.values {
		r.values[i] = samples[i].Value.Uint64()
	}
	copy(r.counts, samples[2].Value.Float64Histogram().Counts)
}

func mapped() (bytes uint64) {
	metrics.Read(heapSys)
	for _, s := range heapSys {
		bytes += s.Value.Uint64()
	}
	return bytes
}

// prepare brings the heap into the state that scripts begin with.
func prepare() bool {
	for class, size := range measure.Sizes() {
		if class == 0 {
			continue
		}
		if class > 1 { // 8 bytes without pointers are tiny
			measure.ToFreshSpan(measure.Request(size, false), false)
		}
		measure.ToFreshSpan(measure.Request(size, true), true)
	}
	// Single pages, until none is free anywhere.
	for before := mapped(); ; {
		p := measure.Alloc(measure.PageBytes, false)
		if mapped() != before {
			return mapped() == before+stepBytes && uintptr(p)%stepBytes == 0
		}
	}
}

// run returns the readings, the first of them before the script, or nil when the runtime has allocated, too.
func run(script []operation) []*reading {
	readings := []*reading{newReading()}
	for _, op := range script {
		if op.kind >= read {
			readings = append(readings, newReading())
		}
	}
	if !prepare() {
		return nil
	}
	readings[0].take(true)
	next, requests := 1, uint64(0)
	for _, op := range script {
		switch op.kind {
		case read, readMetrics:
			readings[next].take(op.kind == read)
			next++
		default:
			for i := 0; i < op.count; i++ {
				measure.Alloc(op.size, op.kind == scan)
			}
			if op.size > 0 {
				requests += uint64(op.count)
			}
		}
	}
	var last runtime.MemStats
	runtime.ReadMemStats(&last)
	first := &readings[0].stats
	if last.Mallocs-first.Mallocs != requests || last.StackInuse != first.StackInuse || last.NumGC != 0 {
		return nil
	}
	return readings
}

func printStats(out *bufio.Writer, now, before *runtime.MemStats) {
	for _, field := range []struct {
		name        string
		now, before uint64
	}{
		{"Mallocs", now.Mallocs, before.Mallocs},
		{"Frees", now.Frees, before.Frees},
		{"HeapObjects", now.HeapObjects, before.HeapObjects},
		{"Alloc", now.Alloc, before.Alloc},
		{"TotalAlloc", now.TotalAlloc, before.TotalAlloc},
		{"HeapAlloc", now.HeapAlloc, before.HeapAlloc},
		{"HeapSys", now.HeapSys, before.HeapSys},
		{"HeapIdle", now.HeapIdle, before.HeapIdle},
		{"HeapInuse", now.HeapInuse, before.HeapInuse},
		{"HeapReleased", now.HeapReleased, before.HeapReleased},
	} {
		fmt.Fprintln(out, field.name, int64(field.now-field.before))
	}
	for i := range now.BySize {
		mallocs, frees := now.BySize[i].Mallocs-before.BySize[i].Mallocs, now.BySize[i].Frees-before.BySize[i].Frees
		if mallocs != 0 || frees != 0 {
			fmt.Fprintln(out, "BySize", i, now.BySize[i].Size, mallocs, frees)
		}
	}
}

func main() {
	name := flag.String("script", "random", "a name of scripts.go")
	seed := flag.Uint64("seed", 1, "of the random scripts")
	flag.Parse()
	measure.Begin()
	script := scriptOf(*name, *seed)
	mapped()
	newReading().take(true) // from the second time on the metrics allocate nothing
	readings := run(script)
	for i := 1; readings == nil; i++ {
		if i == attempts {
			fmt.Fprintln(os.Stderr, "the runtime allocates between our requests")
			os.Exit(1)
		}
		readings = run(script)
	}
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	fmt.Fprintf(out, "# %s memory statistics, script %s, seed %d\n", runtime.Version(), *name, *seed)
	stats, last, next := &readings[0].stats, readings[0], 1
	for _, op := range script {
		if op.kind < read {
			fmt.Fprintln(out, kindNames[op.kind], op.size, op.count)
			continue
		}
		fmt.Fprintln(out, kindNames[op.kind])
		now := readings[next]
		if op.kind == read {
			printStats(out, &now.stats, stats)
			stats = &now.stats
		}
		for i := range now.values {
			fmt.Fprintln(out, samples[i].Name, now.values[i]-last.values[i])
		}
		for i := range now.counts {
			if now.counts[i] != last.counts[i] {
				fmt.Fprintln(out, samples[len(now.values)].Name, i, now.counts[i]-last.counts[i])
			}
		}
		last = now
		next++
	}
}
