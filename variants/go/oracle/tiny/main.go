// SPDX-License-Identifier: MIT

// Prints where Go's tiny allocator puts sequences of requests. Blocks of 16 bytes are numbered as they appear, so that the
// file does not depend on which slots of the span were free before. A line is: size block offset; requests of 16 bytes
// and more, which are not tiny, have "-" for both.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"runtime"

	"spanlab/measure"
)

const blockBytes = 16

func sequence(script string, seed uint64) []int {
	random := measure.Rand(seed)
	sizes := []int{}
	for i := 0; i < 2000; i++ {
		switch script {
		case "given":
			return []int{4, 15, 8, 10, 8, 8, 1, 1, 2, 3}
		case "hundred":
			if i < 100 {
				sizes = append(sizes, 1)
			}
		case "random":
			sizes = append(sizes, 1+random.Below(15))
		case "even": // where alignment matters most
			sizes = append(sizes, []int{1, 2, 4, 8, 6, 12, 3, 10}[random.Below(8)])
		case "mixed": // other classes lie between and must not disturb the block
			sizes = append(sizes, 1+random.Below(64))
		default:
			fmt.Fprintln(os.Stderr, "no script", script)
			os.Exit(2)
		}
	}
	return sizes
}

func main() {
	script := flag.String("script", "given", "given, hundred, random, even or mixed")
	seed := flag.Uint64("seed", 1, "of the random scripts")
	flag.Parse()
	measure.Begin()
	sizes := sequence(*script, *seed)
	addresses := make([]uintptr, len(sizes))
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats) // flushes the cache and with it the block in use
	for i, n := range sizes {
		addresses[i] = uintptr(measure.Alloc(n, false))
	}
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	fmt.Fprintf(out, "# %s tiny allocator, script %s, seed %d: size block offset\n", runtime.Version(), *script, *seed)
	blocks := map[uintptr]int{}
	for i, n := range sizes {
		if n >= blockBytes {
			fmt.Fprintln(out, n, "- -")
			continue
		}
		block := addresses[i] &^ (blockBytes - 1)
		if _, seen := blocks[block]; !seen {
			blocks[block] = len(blocks)
		}
		fmt.Fprintln(out, n, blocks[block], addresses[i]-block)
	}
}
