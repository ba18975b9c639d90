// SPDX-License-Identifier: MIT

// Prints the size classes of the running Go as Go itself reports them: the buckets of
// /gc/heap/allocs-by-size:bytes, whose upper bounds are one above a class's size. Run with
// GOTOOLCHAIN=go1.25.3; the output is committed as results/golden/sizeclasses.txt.
package main

import (
	"fmt"
	"math"
	"runtime"
	"runtime/metrics"
)

func main() {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs-by-size:bytes"}}
	metrics.Read(sample)
	fmt.Printf("# %s size classes: class bytes\n", runtime.Version())
	buckets := sample[0].Value.Float64Histogram().Buckets
	class := 1
	for _, bound := range buckets {
		if bound <= 1 || math.IsInf(bound, 0) {
			continue
		}
		fmt.Printf("%d %d\n", class, int(bound)-1)
		class++
	}
}
