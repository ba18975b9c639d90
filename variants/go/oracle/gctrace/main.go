// SPDX-License-Identifier: MIT

// Prints what Go's gctrace lines look like. -what lines: a line of a cycle that began by itself and one of a forced one,
// every number masked: N, and the digits after the point of the seconds since the start one by one. -what ms: how
// durations are written, each after its nanoseconds.
package main

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"math"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	_ "unsafe"

	"spanlab/measure"
)

// fmtNSAsMS is the runtime's (mgc.go:1884); `run` lets the linker reach it.
//
//go:linkname fmtNSAsMS runtime.fmtNSAsMS
func fmtNSAsMS(buf []byte, ns uint64) []byte

var sink []byte

func collect() {
	runtime.GC()
	for i := 0; i < 1000; i++ {
		sink = make([]byte, 64<<10)
	}
}

var (
	since  = regexp.MustCompile(`@\d+\.(\d+)s`)
	number = regexp.MustCompile(`\d+(\.\d+)?`)
)

func mask(line string) string {
	places := len(since.FindStringSubmatch(line)[1])
	line = since.ReplaceAllString(line, "@N."+strings.Repeat("n", places)+"s")
	return strings.ReplaceAll(number.ReplaceAllString(line, "N"), "n", "N")
}

func printLines() {
	child := exec.Command(os.Args[0], "-what", "collect")
	child.Env = append(os.Environ(), "GODEBUG=gctrace=1", "GOGC=100")
	var out bytes.Buffer
	child.Stderr = &out
	if err := child.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "gctrace:", err)
		os.Exit(1)
	}
	lines := map[bool]string{}
	for scanner := bufio.NewScanner(&out); scanner.Scan(); {
		line := scanner.Text()
		lines[strings.HasSuffix(line, "(forced)")] = line
	}
	fmt.Println("# go1.25.3 gctrace=1: a cycle that began by itself, a forced one; numbers masked")
	fmt.Println(mask(lines[false]))
	fmt.Println(mask(lines[true]))
}

func printDurations(seed uint64) {
	fmt.Printf("# go1.25.3 gctrace: nanoseconds and how they are written in ms, seed %d\n", seed)
	values := []uint64{0, 1, 999, 1000, 1001, 9999, 10000, 99999, 100000, 100999, 101000, 999999, 1000000, 1009999,
		1999999, 9990000, 9999999, 10000000, 10000001, 10999999, 123456789, 60000000000}
	random := measure.Rand(seed)
	for i := 0; i < 1000; i++ {
		values = append(values, uint64(math.Exp(float64(random.Below(23000))/1000)))
	}
	var buf [24]byte
	for _, ns := range values {
		fmt.Printf("%d %s\n", ns, fmtNSAsMS(buf[:], ns))
	}
}

func main() {
	what := flag.String("what", "lines", "lines or ms")
	seed := flag.Uint64("seed", 1, "of the durations")
	flag.Parse()
	switch *what {
	case "lines":
		printLines()
	case "ms":
		printDurations(*seed)
	case "collect":
		collect()
	default:
		fmt.Fprintf(os.Stderr, "gctrace: -what is '%s'; it is lines or ms\n", *what)
		os.Exit(2)
	}
}
