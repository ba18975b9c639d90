// SPDX-License-Identifier: MIT

//go:build goexperiment.arenas

package main

import (
	"arena"
	"bufio"
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"spanlab/measure"
)

const base = uintptr(0x40c000000000) // the first of Go's hints for user arenas

type node struct {
	next  *node
	value uint64
}

// op is an object: of which arena, with pointers or without, its request and its place.
type op struct {
	arena, kind string
	size        uintptr
	address     uintptr
}

var ops = make([]op, 0, 4096)

func record(name, kind string, size uintptr, p unsafe.Pointer) {
	ops = append(ops, op{name, kind, size, uintptr(p)})
}

func pointers(name string, a *arena.Arena, n int) {
	record(name, "P", uintptr(n)*unsafe.Sizeof(node{}), unsafe.Pointer(unsafe.SliceData(arena.MakeSlice[node](a, n, n))))
}

func bytes(name string, a *arena.Arena, n int) {
	record(name, "S", uintptr(n), unsafe.Pointer(unsafe.SliceData(arena.MakeSlice[byte](a, n, n))))
}

// where names an address: an offset in the user arenas' chunks, or the heap.
func where(address uintptr) string {
	if address >= base && address < base+1<<40 {
		return fmt.Sprint(address - base)
	}
	return "heap"
}

func init() {
	print = func(rounds int) {
		measure.Begin()
		first, second := arena.NewArena(), arena.NewArena()
		for i := 0; i < rounds; i++ {
			pointers("first", first, 1)
			bytes("first", first, 1+i)
			bytes("first", first, 100)
			pointers("second", second, 3)
		}
		bytes("first", first, 2<<20)   // the largest that an arena takes
		bytes("first", first, 2<<20+1) // one more goes to the heap
		for i := 0; i < 6; i++ {
			bytes("first", first, 2<<20) // four to a chunk, less what chunks keep for themselves
			pointers("first", first, 1<<16)
		}
		first.Free()
		third := arena.NewArena() // goes on in the chunk that was in use when the first was freed
		pointers("third", third, 1)
		for i := 0; i < 10; i++ {
			pointers("third", third, 1<<16)
		}
		out := bufio.NewWriter(os.Stdout)
		defer out.Flush()
		fmt.Fprintf(out, "# %s RECORDED ONLY, goalloc has no user arenas yet: arena, P(ointers) or S (none), bytes, offset "+
			"from %#x\n", runtime.Version(), base)
		for _, o := range ops {
			fmt.Fprintln(out, o.arena, o.kind, o.size, where(o.address))
		}
		runtime.KeepAlive(second)
		runtime.KeepAlive(third)
	}
}
