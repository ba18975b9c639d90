// SPDX-License-Identifier: MIT

// Prints where in the address space Go puts objects, and how the heap's mapping grows. A script's lines are operations
// with their results, so that they can be replayed from the golden alone; offsets count from 0xc000000000. What the
// runtime has allocated before main is made irrelevant: O and F bring the heap into a state that does not depend on it.
// Objects beyond the last hint have offsets that begin with ~ and count from the 64 MiB that the first of them lies in.
//
//	F OFFSET                 allocate one-page objects until one begins a 4 MiB chunk: nothing is free below it
//	O KIND SIZE OFFSET PAGES allocate until an object is the first of a fresh span; KIND is S (no pointers) or P
//	S SIZE OFFSET PAGES      allocate; PAGES is what the heap gave for it, 0 for a slot of a span in use
//	P SIZE OFFSET PAGES      the same with pointers
//	T SIZE COUNT OFFSET      COUNT allocations without pointers; OFFSET is the last one's
//	B OFFSET BYTES           something else is mapped there from now on (PROT_READ)
//	K HEAD                   what the kernel chooses next for 128 MiB ends HEAD bytes above a multiple of 64 MiB
//	M OFFSET READY RESERVED  what is mapped: READY bytes read-write, then RESERVED bytes PROT_NONE; a line per range, all
//	                         of them after every operation that has changed any
package main

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"spanlab/measure"
)

const (
	heapBase   = uintptr(0xc000000000)
	heapEnd    = heapBase + 64<<40 // the last of Go's hints
	chunkBytes = 4 << 20
	arenaBytes = 64 << 20
	maxOps     = 16 << 10

	mapFixedNoReplace = 0x100000
	maxRegions        = 8 << 10
)

type region struct{ offset, ready, reserved uintptr }

// op is an operation with its results; regions are those of an M.
type op struct {
	kind        byte
	size, count int
	offset      uintptr
	pages       int
	from, to    int
}

// Everything is allocated before the first operation; a script itself allocates nothing but its objects.
type recorder struct {
	ops     []op
	regions []region
	maps    int
	text    []byte
	last    [2]int  // regions of the M before
	beyond  uintptr // where offsets of objects beyond the hints count from
}

func newRecorder() *recorder {
	fd, err := syscall.Open("/proc/self/maps", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		panic(err)
	}
	return &recorder{
		ops:     make([]op, 0, maxOps),
		regions: make([]region, 0, maxRegions),
		maps:    fd,
		text:    make([]byte, 64<<10),
	}
}

func (r *recorder) add(o op) {
	if len(r.ops) == cap(r.ops) {
		panic("too many operations")
	}
	r.ops = append(r.ops, o)
	if o.kind != 'M' {
		r.mapped()
	}
}

func (r *recorder) alloc(n int, pointers bool) uintptr {
	p, pages := measure.AllocGrow(n, pointers)
	kind := byte('S')
	if pointers {
		kind = 'P'
	}
	r.add(op{kind: kind, size: n, offset: uintptr(p) - heapBase, pages: pages})
	return uintptr(p)
}

func (r *recorder) many(n, count int) {
	var p unsafe.Pointer
	for i := 0; i < count; i++ {
		p = measure.Alloc(n, false)
	}
	r.add(op{kind: 'T', size: n, count: count, offset: uintptr(p) - heapBase})
}

func (r *recorder) open(n int, pointers bool) {
	p, pages := measure.ToFreshSpan(n, pointers)
	kind := 0
	if pointers {
		kind = 1
	}
	r.add(op{kind: 'O', size: n, count: kind, offset: uintptr(p) - heapBase, pages: pages})
}

func (r *recorder) fill() {
	p := measure.Alloc(measure.PageBytes, false)
	for uintptr(p)%chunkBytes != 0 {
		p = measure.Alloc(measure.PageBytes, false)
	}
	r.add(op{kind: 'F', offset: uintptr(p) - heapBase})
	if uintptr(p) != heapBase+chunkBytes {
		panic("the runtime and this program need more than a chunk")
	}
}

func (r *recorder) block(offset, size uintptr) {
	if mmap(heapBase+offset, size, mapFixedNoReplace) != heapBase+offset {
		panic("cannot map the obstacle")
	}
	r.add(op{kind: 'B', size: int(size), offset: offset})
}

func mmap(at, size uintptr, flags uintptr) uintptr {
	p, _, errno := syscall.RawSyscall6(syscall.SYS_MMAP, at, size, syscall.PROT_READ,
		syscall.MAP_PRIVATE|syscall.MAP_ANON|syscall.MAP_NORESERVE|flags, ^uintptr(0), 0)
	if errno != 0 {
		panic("mmap failed")
	}
	return p
}

func munmap(at, size uintptr) {
	syscall.RawSyscall(syscall.SYS_MUNMAP, at, size, 0)
}

// steer fills the gaps above the one where the heap has room, and the top of that one.
func (r *recorder) steer(head uintptr) {
	const request, room = 2 * arenaBytes, 8 << 30
	end := mmap(0, room, 0) + room
	munmap(end-room, room)
	for p := mmap(0, request, 0); ; p = mmap(0, request, 0) {
		if p+request <= end {
			munmap(p, request)
			break
		}
	}
	if to := (end-head)&^(arenaBytes-1) + head; to < end {
		mmap(to, end-to, mapFixedNoReplace)
	}
	r.add(op{kind: 'K', size: int(head)})
}

// place is an address as it is printed.
func (r *recorder) place(offset uintptr) string {
	address := offset + heapBase
	if address < heapEnd {
		return fmt.Sprint(offset)
	}
	if r.beyond == 0 {
		r.beyond = address &^ (arenaBytes - 1)
	}
	return fmt.Sprintf("~%d", int(address-r.beyond))
}

// readMaps fills text with /proc/self/maps and returns its length.
func (r *recorder) readMaps() int {
	if _, err := syscall.Seek(r.maps, 0, 0); err != nil {
		panic(err)
	}
	length := 0
	for {
		n, err := syscall.Read(r.maps, r.text[length:])
		if err != nil || length+n == len(r.text) {
			panic("cannot read all of /proc/self/maps")
		}
		if n == 0 {
			return length
		}
		length += n
	}
}

func hex(text []byte) (value uintptr, rest []byte) {
	for i, c := range text {
		switch {
		case c >= '0' && c <= '9':
			value = value<<4 | uintptr(c-'0')
		case c >= 'a' && c <= 'f':
			value = value<<4 | uintptr(c-'a'+10)
		default:
			return value, text[i+1:]
		}
	}
	return value, nil
}

// mapped records the heap's ranges, unless they are those of the last time.
func (r *recorder) mapped() {
	from := len(r.regions)
	text := r.text[:r.readMaps()]
	for len(text) > 0 {
		var start, end uintptr
		start, text = hex(text)
		end, text = hex(text)
		readable, writable := text[0] == 'r', text[1] == 'w'
		for len(text) > 0 && text[0] != '\n' {
			text = text[1:]
		}
		text = text[1:]
		if start < heapBase || start >= heapEnd || readable != writable {
			continue
		}
		r.extend(from, start-heapBase, end-start, writable)
	}
	to := len(r.regions)
	same := to-from == r.last[1]-r.last[0]
	for i := 0; same && i < to-from; i++ {
		same = r.regions[from+i] == r.regions[r.last[0]+i]
	}
	if same {
		r.regions = r.regions[:from]
		return
	}
	r.last = [2]int{from, to}
	r.add(op{kind: 'M', from: from, to: to})
}

// extend adds a mapping to the last region of those from the given one on, or begins a new one.
func (r *recorder) extend(from int, offset, size uintptr, ready bool) {
	if n := len(r.regions); n > from {
		last := &r.regions[n-1]
		if last.offset+last.ready+last.reserved == offset && (!ready || last.reserved == 0) {
			if ready {
				last.ready += size
			} else {
				last.reserved += size
			}
			return
		}
	}
	if len(r.regions) == cap(r.regions) {
		panic("too many regions")
	}
	if ready {
		r.regions = append(r.regions, region{offset, size, 0})
	} else {
		r.regions = append(r.regions, region{offset, 0, size})
	}
}

func (r *recorder) print() {
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for _, o := range r.ops {
		switch o.kind {
		case 'O':
			fmt.Fprintf(out, "O %c %d %d %d\n", "SP"[o.count], o.size, o.offset, o.pages)
		case 'F':
			fmt.Fprintln(out, "F", o.offset)
		case 'S', 'P':
			fmt.Fprintf(out, "%c %d %s %d\n", o.kind, o.size, r.place(o.offset), o.pages)
		case 'T':
			fmt.Fprintln(out, "T", o.size, o.count, o.offset)
		case 'K':
			fmt.Fprintln(out, "K", o.size)
		case 'B':
			fmt.Fprintln(out, "B", o.offset, o.size)
		case 'M':
			for _, g := range r.regions[o.from:o.to] {
				fmt.Fprintln(out, "M", g.offset, g.ready, g.reserved)
			}
		}
	}
}

func main() {
	script := flag.String("script", "", "what to run; see scripts.go")
	seed := flag.Uint64("seed", 1, "of the scripts that draw their sizes")
	flag.Parse()
	run, ok := scripts[*script]
	if !ok {
		fmt.Fprintln(os.Stderr, "no script", *script)
		os.Exit(2)
	}
	measure.Begin()
	r := newRecorder()
	rng := measure.Rand(*seed)
	run(r, &rng)
	fmt.Printf("# %s addresses and mappings, script %s, seed %d; the lines are explained in "+
		"variants/go/oracle/addresses/main.go\n", runtime.Version(), *script, *seed)
	r.print()
}
