// SPDX-License-Identifier: MIT

package main

// The twin of workloads/probe-untouched.c.

import "runtime"

func init() {
	workloads["probe-untouched"] = workload{map[string]uint64{"size": 1024, "blocks": 64}, []string{"size=16,blocks=9"}, probeUntouched}
}

func probeUntouched(params map[string]uint64) []uint64 {
	blocks := make([][]byte, params["blocks"])
	return parallel(1, func(_ uint64, _ *rng) uint64 {
		for i := range blocks {
			blocks[i] = make([]byte, params["size"]<<10)
			countOps(1)
		}
		runtime.KeepAlive(blocks)
		return mix(0, params["blocks"])
	})
}
