// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"os"

	"spanlab/measure"
)

// script collects operations.
type script []operation

func (s *script) add(kind, size, count int) { *s = append(*s, operation{kind, size, count}) }
func (s *script) read()                     { s.add(read, 0, 0) }
func (s *script) metrics()                  { s.add(readMetrics, 0, 0) }

// one64 is one class, over several spans.
func one64(s *script) {
	for _, count := range []int{1000, 1, 0, 127, 128, 129, 5000} {
		s.add(noscan, 64, count)
		s.read()
	}
}

// classes asks for the largest and the smallest request of every class.
func classes(s *script) {
	before := 0
	for class, size := range measure.Sizes() {
		if class < 2 {
			before = size
			continue
		}
		s.add(noscan, max(before+1, 16), 3)
		s.add(noscan, measure.Request(size, false), 3+class%5)
		before = size
		if class%8 == 0 {
			s.read()
		}
	}
	s.read()
}

// tiny counts objects in shared blocks, which each read drops.
func tiny(s *script) {
	for size := 1; size < 16; size++ {
		s.add(noscan, size, 100)
		s.read()
	}
	for i := 0; i < 20; i++ { // what two blocks compete for
		s.add(noscan, 1, 3)
		s.add(noscan, 13, 1)
		s.add(noscan, 16, 1)
		s.add(noscan, 2+i%7, 2)
	}
	s.read()
	s.add(noscan, 1, 20000) // more than a span of blocks
	s.read()
}

// large crosses the border between small and large, and sizes around whole pages.
func large(s *script) {
	for _, size := range []int{32752, 32760, 32761, 32768, 32769, 40960, 40961, 65536, 122880, 122881, 131072, 1 << 20, 5 << 20} {
		s.add(noscan, size, 2)
		s.read()
		s.add(scan, (size+7)/8*8, 2)
		s.read()
	}
}

// bitmap is objects with pointers and no header.
func bitmap(s *script) {
	for size := 8; size <= measure.MaxBitmap; size += 8 {
		s.add(scan, size, 20)
		if size%64 == 0 {
			s.read()
		}
	}
	s.add(scan, 8, 1008*2+5)
	s.add(scan, 512, 15*3+5)
	s.read()
}

// header is objects with pointers and a header, which may cost a class.
func header(s *script) {
	for _, size := range []int{520, 568, 576, 1016, 1024, 1144, 1152, 2040, 2048, 4096, 8184, 8192, 9464, 9472, 16384, 18424, 18432,
		20472, 28664, 28672, 32752, 32760} {
		s.add(scan, size, 7)
		s.read()
	}
}

// growth crosses the borders at which the heap grows, by pages, by spans of several and by more than it grows by.
func growth(s *script) {
	for i := 0; i < 6; i++ {
		s.add(noscan, 8192, 100)
		s.read()
	}
	s.add(noscan, 32760, 200)
	s.read()
	s.add(noscan, 3<<20, 2)
	s.read()
	s.add(scan, 9<<20, 1)
	s.read()
	s.add(noscan, 48, 100000)
	s.read()
	s.add(noscan, 70<<20, 1) // more than an arena
	s.read()
	s.add(noscan, 8192, 700)
	s.read()
}

// flush reads after every request: spans go back and come again.
func flush(s *script) {
	for _, size := range []int{1, 1, 8, 1, 0, 24, 24, 15, 2, 3, 48, 48, 0, 1024, 1024, 32761, 1} {
		s.add(noscan, size, 1)
		s.read()
		s.add(scan, size*8, 1)
		s.read()
	}
	s.read()
}

// lag reads the metrics without a flush: a count is in them once its span is full and replaced.
func lag(s *script) {
	for _, size := range []int{1, 8, 16, 48, 512, 1024, 8192, 32760, 32761} {
		for _, count := range []int{1, 10, 100, 1000} {
			s.add(noscan, size, count)
			s.metrics()
			if size%8 == 0 {
				s.add(scan, size, count)
				s.metrics()
			}
		}
		s.read()
		s.metrics()
	}
}

// mixed draws requests; most sizes are small, as in programs.
func mixed(s *script, seed uint64, lagging bool) {
	random := measure.Rand(seed)
	limits := []int{15, 64, 512, 2048, 32760, 200000}
	for i := 0; i < 400; i++ {
		limit := limits[random.Below(len(limits))]
		size, count := 1+random.Below(limit), 1+random.Below(1+100000/(limit+100))
		if random.Below(3) == 0 {
			s.add(scan, (size+7)/8*8, count)
		} else {
			s.add(noscan, size, count)
		}
		if lagging && random.Below(6) == 0 {
			s.metrics()
		}
		if random.Below(15) == 0 {
			s.read()
		}
	}
	s.read()
}

func scriptOf(name string, seed uint64) []operation {
	named := map[string]func(*script){
		"one64": one64, "classes": classes, "tiny": tiny, "large": large, "bitmap": bitmap, "header": header, "growth": growth,
		"flush": flush, "lag": lag,
		"random":     func(s *script) { mixed(s, seed, false) },
		"random-lag": func(s *script) { mixed(s, seed, true) },
	}
	var s script
	fill, ok := named[name]
	if !ok {
		fmt.Fprintln(os.Stderr, "no script", name)
		os.Exit(2)
	}
	fill(&s)
	return s
}
