// SPDX-License-Identifier: MIT

// Needs GOEXPERIMENT=arenas; arenas.go is what is printed then.
package main

import (
	"flag"
	"fmt"
	"os"
)

// print is set where package arena exists; rounds is how many small objects of each kind it makes.
var print func(rounds int)

func main() {
	rounds := flag.Int("rounds", 8, "how many small objects of each kind")
	flag.Parse()
	if print == nil {
		fmt.Fprintln(os.Stderr, "set GOEXPERIMENT=arenas")
		os.Exit(2)
	}
	print(*rounds)
}
