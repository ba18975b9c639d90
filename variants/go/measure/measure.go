// SPDX-License-Identifier: MIT

// Package measure is what the oracle programs share: objects of a chosen size, and what the heap has in use without
// disturbing it.
package measure

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"unsafe"
)

const (
	PageBytes   = 8192
	ClassCount  = 68
	MaxSmall    = 32760 // above it, requests are large
	HeaderBytes = 8     // in front of small objects with pointers above MaxBitmap
	MaxBitmap   = 512
)

var inUse = []metrics.Sample{
	{Name: "/memory/classes/heap/objects:bytes"},
	{Name: "/memory/classes/heap/unused:bytes"},
}

// Begin keeps the runtime to itself: one thread and one P, no collection, a main stack that need not grow, metrics set up.
func Begin() {
	runtime.LockOSThread()
	runtime.GOMAXPROCS(1)
	debug.SetGCPercent(-1)
	growStack()
	HeapInUse()
}

// UsableBytes is what small objects without pointers may fill of a page: all of it, but for the inline marks with which
// the greenteagc experiment ends it.
func UsableBytes() uintptr {
	if strings.Contains(runtime.Version(), "greenteagc") {
		return PageBytes - 128
	}
	return PageBytes
}

var stackSink byte

//go:noinline
func growStack() {
	var frame [48 << 10]byte
	for i := range frame {
		frame[i] = byte(i)
	}
	stackSink = frame[int(stackSink)+1000]
}

// HeapInUse is the number of bytes in heap spans. Unlike ReadMemStats it flushes no cache, and from the second call on
// it allocates nothing.
func HeapInUse() uint64 {
	metrics.Read(inUse)
	return inUse[0].Value.Uint64() + inUse[1].Value.Uint64()
}

// Alloc returns a zeroed object of n bytes; one with pointers consists of them, and n is a multiple of 8 then.
//
//go:noinline
func Alloc(n int, pointers bool) unsafe.Pointer {
	if pointers {
		return unsafe.Pointer(unsafe.SliceData(make([]*byte, n/8)))
	}
	return unsafe.Pointer(unsafe.SliceData(make([]byte, n)))
}

// AllocGrow does the same and returns the pages of the span that it took from the heap; 0: it took none.
func AllocGrow(n int, pointers bool) (unsafe.Pointer, int) {
	before := HeapInUse()
	p := Alloc(n, pointers)
	return p, int(HeapInUse()-before) / PageBytes
}

// ToFreshSpan allocates objects of n bytes until one is the first of a fresh span; it returns that one.
func ToFreshSpan(n int, pointers bool) (unsafe.Pointer, int) {
	for {
		if p, pages := AllocGrow(n, pointers); pages > 0 {
			return p, pages
		}
	}
}

// Sizes are the slot sizes, by class.
func Sizes() []int {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs-by-size:bytes"}}
	metrics.Read(sample)
	buckets := sample[0].Value.Float64Histogram().Buckets
	sizes := make([]int, ClassCount)
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	sizes[0] = int(stats.BySize[0].Size)
	for i := 1; i < ClassCount; i++ {
		sizes[i] = int(buckets[i]) - 1
	}
	return sizes
}

// Request is the largest request that a class's slot holds.
func Request(size int, pointers bool) int {
	if size > MaxSmall {
		size = MaxSmall // the split holds without a header, too
	}
	if pointers && size > MaxBitmap {
		return min(size-HeaderBytes, MaxSmall)
	}
	return size
}

// Rand is splitmix64.
type Rand uint64

func (r *Rand) Next() uint64 {
	*r += 0x9e3779b97f4a7c15
	z := uint64(*r)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// Below is a number from 0 to n-1.
func (r *Rand) Below(n int) int {
	return int(r.Next() % uint64(n))
}
