// SPDX-License-Identifier: MIT

package main

import (
	"runtime"
	"runtime/metrics"
	"sync/atomic"
)

// allocations are the objects that a twin's set-up and timed part have allocated, as in the record of a bench program.
type allocations struct {
	Tiny    uint64     `json:"tiny"`
	Large   uint64     `json:"large"`
	Bytes   uint64     `json:"bytes"`
	ByClass [67]uint64 `json:"by_class"`
}

// counting is where to add them up; nil: nobody has asked. What reads them is made beforehand, so that reading them
// allocates nothing that would count.
var (
	counting      *allocations
	countingStats runtime.MemStats
	countingNow   = []metrics.Sample{{Name: "/gc/heap/tiny/allocs:objects"}, {Name: "/gc/heap/allocs:bytes"},
		{Name: "/gc/heap/allocs-by-size:bytes"}}
)

// readAllocations adds all that the runtime has counted so far, or takes it away.
func readAllocations(factor uint64) {
	runtime.ReadMemStats(&countingStats) // it empties the caches, which metrics do not
	metrics.Read(countingNow)
	counting.Tiny += factor * countingNow[0].Value.Uint64()
	counting.Bytes += factor * countingNow[1].Value.Uint64()
	counts := countingNow[2].Value.Float64Histogram().Counts
	for i := range counting.ByClass {
		counting.ByClass[i] += factor * counts[i]
	}
	counting.Large += factor * counts[len(counting.ByClass)]
}

// countAllocations counts what part allocates, if anybody has asked.
func countAllocations(part func()) {
	if counting == nil {
		part()
		return
	}
	const minus = ^uint64(0)
	readAllocations(minus)
	part()
	readAllocations(1)
}

// startCounting forgets the iteration before.
func startCounting() {
	*counting = allocations{}
	metrics.Read(countingNow)
}

// parallelCounted does what parallel does, and counts from the moment at which all threads are there, waiting, to that
// at which the last body has returned: neither threads nor what they wait with are the twin's.
func parallelCounted(threads uint64, body func(index uint64, random *rng) uint64) []uint64 {
	checksums := make([]uint64, threads)
	var ready, done atomic.Uint64
	var begun atomic.Bool
	for i := range checksums {
		go func() {
			random := newRNG(seed, uint64(i))
			ready.Add(1)
			for !begun.Load() {
				runtime.Gosched()
			}
			checksums[i] = body(uint64(i), random)
			done.Add(1)
		}()
	}
	for ready.Load() != threads {
		runtime.Gosched()
	}
	countAllocations(func() {
		begun.Store(true)
		for done.Load() != threads {
			runtime.Gosched()
		}
	})
	return checksums
}
