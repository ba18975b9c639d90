// SPDX-License-Identifier: MIT

// What spike.c does, in Go: go run spike.go [rest|collected|busy].
package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

type node struct {
	next *node
	pad  [6]uint64
}

const liveBytes, spikeBytes, nodeBytes, busyNodes = 10 << 20, 300 << 20, 56, 100000

var live, spike, latest *node

func residentKiB() string {
	status, _ := os.ReadFile("/proc/self/status")
	for _, line := range strings.Split(string(status), "\n") {
		if strings.HasPrefix(line, "VmRSS:") {
			return strings.Fields(line)[1]
		}
	}
	return "-1"
}

func fill(list **node, bytes int) {
	for i := 0; i < bytes/nodeBytes; i++ {
		*list = &node{next: *list}
	}
}

func main() {
	what := "collected"
	if len(os.Args) > 1 {
		what = os.Args[1]
	}
	collections := map[string]int{"rest": 1, "collected": 2}[what]
	fill(&live, liveBytes)
	fill(&spike, spikeBytes)
	fmt.Print(residentKiB())
	spike = nil
	for i := 0; i < collections; i++ {
		runtime.GC()
	}
	begun := time.Now()
	for _, after := range []time.Duration{100 * time.Millisecond, time.Second, 5 * time.Second} {
		for time.Since(begun) < after {
			for i := 0; collections == 0 && i < busyNodes; i++ {
				latest = &node{}
			}
			time.Sleep(5 * time.Millisecond)
		}
		fmt.Print(" ", residentKiB())
	}
	fmt.Println()
	runtime.KeepAlive(live)
}
