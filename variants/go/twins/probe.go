// SPDX-License-Identifier: MIT

package main

import (
	"runtime"
	"slices"
	"sync/atomic"
	"unsafe"
)

// The twins of workloads/probe.c. How many objects they allocate depends on what they find, so of most no objects can be
// compared with the C programs'.

const (
	probeSlotObjects = 64
	probePageShift   = 13
	probeBlockShift  = 4
	probeLineShift   = 6
	probeBitmapLimit = 512
	probeThreads     = 2
	probeTailSpans   = 8
)

func init() {
	workloads["probe-slots"] = workload{map[string]uint64{"from": 1, "to": 32768, "pointers": 0}, nil, probeSlots}
	workloads["probe-pages"] = workload{map[string]uint64{"size": 512, "objects": 4096, "pointers": 0}, nil, probePages}
	workloads["probe-tails"] = workload{map[string]uint64{"from": 9, "to": 32760, "longest": 131072, "slot": 1408}, nil,
		probeTails}
	workloads["probe-tiny"] = workload{map[string]uint64{"size": 1, "keep": 1, "objects": 100000}, nil, probeTiny}
	workloads["probe-lines"] = workload{map[string]uint64{"size": 8, "objects": 20000}, nil, probeLines}
	workloads["probe-hold"] = workload{map[string]uint64{"size": 8, "objects": 500000, "collections": 0},
		[]string{"size=8,objects=3000,collections=1"}, probeHold}
}

type probe struct {
	kept     []unsafe.Pointer
	pointers bool
}

func newProbe(room uint64, pointers bool) *probe {
	return &probe{make([]unsafe.Pointer, room), pointers}
}

// take allocates one object of the request, which stays.
//
//go:noinline
func (p *probe) take(i, request uint64) uintptr {
	var object unsafe.Pointer
	if p.pointers {
		words := make([]unsafe.Pointer, request/8)
		object = unsafe.Pointer(&words[0])
	} else {
		bytes := make([]byte, request)
		object = unsafe.Pointer(&bytes[0])
	}
	p.kept[i] = object
	return uintptr(object)
}

func (p *probe) letGo(from, to uint64) {
	for i := from; i < to; i++ {
		p.kept[i] = nil
	}
}

func (p *probe) slotOf(request uint64) uint64 {
	addresses := make([]uintptr, probeSlotObjects)
	for i := range addresses {
		addresses[i] = p.take(uint64(i), request)
	}
	p.letGo(0, probeSlotObjects)
	slices.Sort(addresses)
	least := ^uintptr(0)
	for i := range addresses[1:] {
		least = min(least, addresses[i+1]-addresses[i])
	}
	return uint64(least)
}

// lastOfSlot finds the largest request that takes no more than request does.
func (p *probe) lastOfSlot(request, slot, step uint64) uint64 {
	low, high := request, slot+step
	for high-low > step {
		middle := low + (high-low)/2/step*step
		if p.slotOf(middle) <= slot {
			low = middle
		} else {
			high = middle
		}
	}
	return low
}

// lastWithoutHeader finds the largest request of whole words that takes exactly its size with pointers as without.
func (p *probe) lastWithoutHeader(from, to uint64) (last uint64) {
	for request := from; request <= to; request += 8 {
		p.pointers = false
		fills := p.slotOf(request) == request
		p.pointers = true
		if !fills {
			continue
		}
		if p.slotOf(request) != request {
			break
		}
		last = request
	}
	return last
}

func probeSlots(params map[string]uint64) []uint64 {
	p := newProbe(probeSlotObjects, params["pointers"] != 0)
	step := uint64(1)
	if p.pointers {
		step = 8
	}
	var classes, worstRequest, requested, taken uint64
	var worstWaste, worstRoundUp float64
	for request := params["from"]; request <= params["to"]; classes++ {
		slot := p.slotOf(request)
		last := p.lastOfSlot(request, slot, step)
		if waste := float64(slot-request) / float64(slot); waste > worstWaste {
			worstWaste, worstRoundUp, worstRequest = waste, float64(slot)/float64(request)-1, request
		}
		last = min(last, params["to"])
		requests := (last-request)/step + 1
		requested += (request + last) * requests / 2
		taken += slot * requests
		request = last + step
		countOps(requests)
	}
	counter("first_slot_bytes", float64(p.slotOf(params["from"])))
	counter("without_header_bytes", 0)
	if p.pointers {
		counter("without_header_bytes", float64(p.lastWithoutHeader(params["from"], params["to"])))
	}
	counter("classes", float64(classes))
	counter("worst_waste_percent", 100*worstWaste)
	counter("worst_round_up_percent", 100*worstRoundUp)
	counter("worst_request_bytes", float64(worstRequest))
	counter("mean_waste_percent", 100*(1-float64(requested)/float64(taken)))
	return []uint64{mix(0, params["to"])}
}

func (p *probe) objectsOfPage(request uint64) uint64 {
	pages, most := map[uintptr]uint64{}, uint64(0)
	room := uint64(len(p.kept))
	for i := uint64(probeSlotObjects); i < room; i++ {
		page := p.take(i, request) >> probePageShift
		pages[page]++
		most = max(most, pages[page])
	}
	p.letGo(probeSlotObjects, room)
	return most
}

func probePages(params map[string]uint64) []uint64 {
	p := newProbe(probeSlotObjects+params["objects"], params["pointers"] != 0)
	var told, classes, full uint64
	var loss, worst float64
	for size := uint64(16); size <= probeBitmapLimit; size += 8 {
		countOps(1)
		if p.slotOf(size) != size {
			continue
		}
		room, objects := uint64(1<<probePageShift)/size, p.objectsOfPage(size)
		lost := 1 - float64(objects)/float64(room)
		classes++
		if objects == room {
			full++
		}
		loss += lost
		worst = max(worst, lost)
		if size == params["size"] {
			told = objects
		}
	}
	counter("objects_per_page", float64(told))
	counter("classes", float64(classes))
	counter("full_classes", float64(full))
	counter("mean_loss_percent", 100*loss/float64(max(classes, 1)))
	counter("worst_loss_percent", 100*worst)
	return []uint64{mix(0, uint64(len(p.kept)))}
}

type probeTail struct {
	known         bool
	tail, objects uint64
}

// tailOf finds what spans leave over at their ends, as workloads/probe.c does.
func tailOf(at []uintptr, slot, longest uint64) (least probeTail) {
	beginsPage := func(address uintptr) bool { return address&(1<<probePageShift-1) == 0 }
	for first, i := 0, 1; i < len(at); i++ {
		run, gap := uint64(at[i-1]-at[first])+slot, uint64(at[i]-at[i-1])-slot
		if run > longest {
			return probeTail{known: true}
		}
		if gap == 0 {
			continue
		}
		if beginsPage(at[first]) && beginsPage(at[i]) && (!least.known || gap < least.tail) {
			least = probeTail{true, gap, run / slot}
		}
		first = i
	}
	return least
}

func (p *probe) tailOfClass(addresses []uintptr, request, slot, longest uint64) probeTail {
	objects := min(probeTailSpans*longest/slot, uint64(len(p.kept)))
	for i := range objects {
		addresses[i] = p.take(i, request)
	}
	p.letGo(0, objects)
	slices.Sort(addresses[:objects])
	return tailOf(addresses[:objects], slot, longest)
}

func probeTails(params map[string]uint64) []uint64 {
	to, longest := params["to"], params["longest"]
	p := newProbe(probeTailSpans*longest/16, false)
	addresses := make([]uintptr, len(p.kept))
	var classes, unknown, above, aboveByTail, below, belowByRounding, worstSlot uint64
	var worst float64
	var told probeTail
	add := func(smallest, slot uint64, tail probeTail) {
		objects := max(tail.objects, 1)
		rounding, percent := (slot-smallest)*objects, 100*float64(tail.tail)/float64(slot*objects+tail.tail)
		classes++
		if slot == params["slot"] {
			told = tail
		}
		switch {
		case !tail.known:
			unknown++
			return
		case slot > probeBitmapLimit:
			above++
			if tail.tail > rounding {
				aboveByTail++
			}
		case slot < probeBitmapLimit:
			below++
			if rounding > tail.tail {
				belowByRounding++
			}
		}
		if percent > worst {
			worst, worstSlot = percent, slot
		}
	}
	for request := params["from"]; request <= to; {
		slot := p.slotOf(request)
		last := min(p.lastOfSlot(request, slot, 1), to)
		add(request, slot, p.tailOfClass(addresses, last, slot, longest))
		countOps(last - request + 1)
		request = last + 1
	}
	counter("classes", float64(classes))
	counter("unknown_classes", float64(unknown))
	counter("tail_bytes", float64(told.tail))
	counter("objects_per_span", float64(told.objects))
	if unknown == 0 {
		counter("worst_tail_percent", worst)
		counter("worst_tail_slot_bytes", float64(worstSlot))
		counter("classes_above_512", float64(above))
		counter("above_512_by_tail", float64(aboveByTail))
		counter("classes_below_512", float64(below))
		counter("below_512_by_rounding", float64(belowByRounding))
	}
	return []uint64{mix(0, to)}
}

func probeTiny(params map[string]uint64) []uint64 {
	size, keep, objects := params["size"], params["keep"], params["objects"]
	p := newProbe(objects, false)
	type block struct{ objects, kept uint64 }
	blocks := map[uintptr]*block{}
	var heldBlocks, kept, requested, most, reused uint64
	// Lets all go but one of every keep, and asks for as many again: what is put beside a survivor was not held by it.
	reuseHoles := func() {
		for i := range objects {
			if i%keep != 0 {
				p.kept[i] = nil
			}
		}
		runtime.GC()
		for i := range objects {
			if i%keep == 0 {
				continue
			}
			if b := blocks[p.take(i, size)>>probeBlockShift]; b != nil && b.kept != 0 {
				reused++
			}
		}
	}
	checksums := parallel(1, func(_ uint64, _ *rng) uint64 {
		random := newRNG(1, 0) // the same sizes whatever the seed
		for i := uint64(0); i < objects; i++ {
			bytes := size
			if bytes == 0 {
				bytes = random.between(1, 1<<probeBlockShift-1)
			}
			at := p.take(i, bytes) >> probeBlockShift
			requested += bytes
			b := blocks[at]
			if b == nil {
				b = &block{}
				blocks[at] = b
			}
			b.objects++
			most = max(most, b.objects)
			if i%keep != 0 {
				continue
			}
			kept++
			if b.kept++; b.kept == 1 {
				heldBlocks++
			}
		}
		countOps(objects)
		if keep > 1 {
			reuseHoles()
			countOps(objects - kept)
		}
		return mix(mix(0, kept), requested)
	})
	blockBytes := float64(uint64(1) << probeBlockShift)
	counter("most_per_block", float64(most))
	counter("waste_percent", 100*(1-float64(requested)/(blockBytes*float64(len(blocks)))))
	if size != 0 {
		held := blockBytes * (float64(heldBlocks) - float64(reused)/float64(most))
		counter("held_over_kept", held/float64(kept*size))
	}
	return checksums
}

func probeLines(params map[string]uint64) []uint64 {
	size, objects := params["size"], params["objects"]
	p := newProbe(objects, false)
	lines := map[uintptr]int{}
	shared := 0
	var turn atomic.Uint64
	checksums := parallel(probeThreads, func(index uint64, _ *rng) uint64 {
		for i := index; i < objects; i += probeThreads {
			for turn.Load() != i { // without giving the processor up, whose cache is what is looked at
			}
			address := p.take(i, size)
			for line := address >> probeLineShift; line <= (address+uintptr(size)-1)>>probeLineShift; line++ {
				before := lines[line]
				lines[line] = before | 1<<index
				if before != 3 && lines[line] == 3 {
					shared++
				}
			}
			turn.Store(i + 1)
			countOps(1)
		}
		return mix(0, objects)
	})
	counter("shared_lines", float64(shared))
	return checksums
}

func probeHold(params map[string]uint64) []uint64 {
	p := newProbe(params["objects"], false)
	return parallel(1, func(_ uint64, _ *rng) uint64 {
		for i := range p.kept {
			p.take(uint64(i), params["size"])
			countOps(1)
		}
		for range params["collections"] {
			runtime.GC()
		}
		runtime.KeepAlive(p) // nobody else holds the objects by now
		return mix(0, params["objects"])
	})
}
