// SPDX-License-Identifier: MIT

// Prints by how much objects of each shape raise /gc/scan/heap:bytes, what the pacer takes for the heap that may hold
// pointers, before any collection has looked at them: a line has the words of an element (p: a pointer, s: a scalar),
// how many elements an object has, how many objects, and bytes.
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"runtime/metrics"
	"unsafe"

	"spanlab/measure"
)

const (
	objects  = 10
	attempts = 10
)

type (
	p = *byte
	s = uintptr
)

var (
	out    = bufio.NewWriter(os.Stdout)
	sample = []metrics.Sample{{Name: "/gc/scan/heap:bytes"}}
	stats  runtime.MemStats
	sink   unsafe.Pointer
)

// scanned flushes the cache, as counts are settled when a span comes or goes; it allocates nothing.
func scanned() uint64 {
	runtime.ReadMemStats(&stats)
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

func allocate[T any](n int) {
	if n == 1 {
		sink = unsafe.Pointer(new(T))
	} else {
		sink = unsafe.Pointer(unsafe.SliceData(make([]T, n)))
	}
}

func measured[T any](n int) (bytes uint64, ok bool) {
	before, mallocs := scanned(), stats.Mallocs
	for i := 0; i < objects; i++ {
		allocate[T](n)
	}
	bytes = scanned() - before
	return bytes, stats.Mallocs-mallocs == objects
}

func line[T any](words string, n int) {
	for i := 0; i < attempts; i++ {
		if bytes, ok := measured[T](n); ok {
			fmt.Fprintln(out, words, n, objects, bytes)
			return
		}
	}
	fmt.Fprintln(os.Stderr, "the runtime allocates between our requests")
	os.Exit(1)
}

// shape prints objects of 1 to 64 elements in small steps, of both sides of 512 B, and of more.
func shape[T any](words string) {
	size := int(unsafe.Sizeof(*new(T)))
	fit := measure.MaxBitmap / size
	last := 0
	for _, n := range []int{1, 2, 3, 4, 5, 7, 8, 15, 16, 31, 32, 63, 64, 65, fit - 1, fit, fit + 1, 2 * fit,
		measure.MaxSmall/size + 1, 100000 / size} {
		if n > last {
			line[T](words, n)
			last = n
		}
	}
}

func main() {
	measure.Begin()
	scanned()
	defer out.Flush()
	fmt.Fprintf(out, "# %s bytes that may hold pointers: words_of_an_element elements objects scan_bytes\n",
		runtime.Version())
	for n := 1; n <= 64; n++ {
		line[p]("p", n)
	}
	shape[struct{ p }]("p")
	shape[[1]p]("p")
	shape[struct{ a [1]struct{ p } }]("p")
	shape[[2]p]("pp")
	shape[struct{ a, b p }]("pp")
	shape[[3]p]("ppp")
	shape[struct {
		a p
		b [2]p
	}]("ppp")
	shape[struct{ a [2][2]p }]("pppp")
	shape[[5]p]("ppppp")
	shape[[8]p]("pppppppp")
	shape[[16]p]("pppppppppppppppp")
	shape[[32]p]("pppppppppppppppppppppppppppppppp")
	shape[[63]p]("ppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp")
	shape[[64]p]("pppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp")
	shape[[65]p]("ppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp")
	shape[struct {
		a p
		b s
	}]("ps")
	shape[struct {
		a s
		b p
	}]("sp")
	shape[struct {
		a p
		b [3]s
	}]("psss")
	shape[struct {
		a s
		b [3]p
	}]("sppp")
	shape[struct {
		a    [2]p
		b, c s
		d    p
		e    s
	}]("ppssps")
	shape[struct {
		a p
		b [63]s
	}]("psssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss")
}
