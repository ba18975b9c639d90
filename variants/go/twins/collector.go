// SPDX-License-Identifier: MIT

package main

import (
	"math"
	"runtime/metrics"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What the collector did in the timed parts that count: the record's gc object (docs/record.md), as far as
// runtime/metrics tells. Pauses come as a histogram, so each counts as the upper bound of its bucket; CPU by kind is what
// the runtime estimates, and has a name of its own so that nobody compares it with what others measure.

type pauseFigures struct {
	Count     uint64  `json:"count"`
	Lost      int     `json:"lost"`
	Exact     bool    `json:"exact"`
	TotalNs   *uint64 `json:"total_ns"`
	P50Ns     *int64  `json:"p50_ns"`
	P99Ns     *int64  `json:"p99_ns"`
	MaxNs     *int64  `json:"max_ns"`
	LengthsNs []int64 `json:"lengths_ns"`
}

type heapFigures struct {
	GoalBytes       uint64   `json:"goal_bytes"`
	PeakOverGoal    *float64 `json:"peak_over_goal"`
	PeakOverGoalMax *float64 `json:"peak_over_goal_max"`
	Cycles          int      `json:"cycles"`
	MetadataBytes   uint64   `json:"metadata_bytes"`
}

type collectorFigures struct {
	Sections     int                 `json:"sections"`
	TimedNs      int64               `json:"timed_ns"`
	ProcessCPUNs int64               `json:"process_cpu_ns"`
	Cycles       uint64              `json:"cycles"`
	Forced       uint64              `json:"forced_cycles"`
	LeastCycles  uint64              `json:"least_cycles"`
	CPU          map[string]*int64   `json:"cpu"`
	CPUEstimate  map[string]int64    `json:"cpu_estimate"`
	FullWallNs   *int64              `json:"full_wall_ns"`
	Pauses       pauseFigures        `json:"pauses"`
	MMU          map[string]*float64 `json:"mmu"`
	Heap         heapFigures         `json:"heap"`
	Marker       map[string]*uint64  `json:"marker"`
	now          []metrics.Sample
	before       collectorReading
	begun        time.Time
	begunCPUNs   int64
	buckets      []float64
	counts       []uint64
}

// estimates are seconds of CPU, brought up to date at the end of each cycle.
var estimates = map[string]string{
	"mark_dedicated_ns": "/cpu/classes/gc/mark/dedicated:cpu-seconds",
	"mark_idle_ns":      "/cpu/classes/gc/mark/idle:cpu-seconds",
	"assist_ns":         "/cpu/classes/gc/mark/assist:cpu-seconds",
	"pause_ns":          "/cpu/classes/gc/pause:cpu-seconds",
	"total_ns":          "/cpu/classes/gc/total:cpu-seconds",
}

const (
	allCycles    = "/gc/cycles/total:gc-cycles"
	forcedCycles = "/gc/cycles/forced:gc-cycles"
	heapGoal     = "/gc/heap/goal:bytes"
	pauses       = "/sched/pauses/total/gc:seconds"
)

type collectorReading struct {
	cycles, forced, goal uint64
	seconds              map[string]float64
	counts               []uint64
}

func newCollector() *collectorFigures {
	c := &collectorFigures{LeastCycles: math.MaxUint64, CPUEstimate: map[string]int64{}}
	for _, name := range []string{allCycles, forcedCycles, heapGoal, pauses} {
		c.now = append(c.now, metrics.Sample{Name: name})
	}
	for _, name := range estimates {
		c.now = append(c.now, metrics.Sample{Name: name})
	}
	c.CPU = map[string]*int64{"mark_ns": nil, "assist_ns": nil, "sweep_ns": nil, "sweep_allocating_ns": nil, "stop_ns": nil}
	c.MMU = map[string]*float64{"1ms": nil, "10ms": nil, "100ms": nil}
	c.Marker = map[string]*uint64{"queued_objects": nil, "span_visits": nil, "single_visits": nil, "span_objects": nil,
		"scanned_bytes": nil, "marked_bytes": nil, "rescans": nil, "rescan_greyed_bytes": nil}
	c.before = c.read() // what reading allocates it allocates now
	return c
}

func (c *collectorFigures) read() collectorReading {
	metrics.Read(c.now)
	r := collectorReading{seconds: map[string]float64{}}
	for _, s := range c.now {
		switch s.Value.Kind() {
		case metrics.KindUint64:
			switch s.Name {
			case allCycles:
				r.cycles = s.Value.Uint64()
			case forcedCycles:
				r.forced = s.Value.Uint64()
			case heapGoal:
				r.goal = s.Value.Uint64()
			}
		case metrics.KindFloat64:
			r.seconds[s.Name] = s.Value.Float64()
		case metrics.KindFloat64Histogram:
			c.buckets = s.Value.Float64Histogram().Buckets
			r.counts = append(r.counts, s.Value.Float64Histogram().Counts...)
		}
	}
	return r
}

// begin is called before the clock of a timed part starts, end after it has stopped.
func (c *collectorFigures) begin() {
	c.before = c.read()
	c.begun, c.begunCPUNs = time.Now(), cpuNs()
}

// end returns the cycles in the timed part.
func (c *collectorFigures) end(warmup bool) uint64 {
	timedNs, usedNs := time.Since(c.begun).Nanoseconds(), cpuNs()-c.begunCPUNs
	now := c.read()
	cycles := now.cycles - c.before.cycles
	if warmup {
		return cycles
	}
	c.Sections++
	c.TimedNs += timedNs
	c.ProcessCPUNs += usedNs
	c.Cycles += cycles
	c.Forced += now.forced - c.before.forced
	c.LeastCycles = min(c.LeastCycles, cycles)
	c.Heap.GoalBytes = now.goal
	for field, name := range estimates {
		c.CPUEstimate[field] += int64((now.seconds[name] - c.before.seconds[name]) * 1e9)
	}
	if c.counts == nil {
		c.counts = make([]uint64, len(now.counts))
	}
	for i, n := range now.counts {
		c.counts[i] += n - c.before.counts[i]
	}
	return cycles
}

// metadataBytes is what lies beside the heap for the collector, mark bits above all, and what maps the heap.
func metadataBytes() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/metadata/other:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// finish brings the histogram into the form that pauses have; at most maxLengths of them.
func (c *collectorFigures) finish() {
	const maxLengths = 65536
	c.Heap.MetadataBytes = metadataBytes()
	p := &c.Pauses
	p.LengthsNs = []int64{}
	for i, n := range c.counts {
		bound := c.buckets[i+1]
		if math.IsInf(bound, 1) {
			bound = c.buckets[i]
		}
		p.Count += n
		for ; n > 0 && len(p.LengthsNs) < maxLengths; n-- {
			p.LengthsNs = append(p.LengthsNs, int64(bound*1e9))
		}
	}
	p.Lost = int(p.Count) - len(p.LengthsNs)
	if len(p.LengthsNs) == 0 {
		return
	}
	slices.Sort(p.LengthsNs)
	rank := func(share float64) *int64 {
		return &p.LengthsNs[max(1, int(math.Ceil(share*float64(len(p.LengthsNs))-1e-9)))-1]
	}
	p.P50Ns, p.P99Ns, p.MaxNs = rank(0.5), rank(0.99), rank(1)
}

// debugKnob is what GODEBUG says of a number, as the runtime reads it: the last setting counts.
func debugKnob(debug, wanted string) string {
	value := "0"
	for _, word := range strings.Split(debug, ",") {
		if name, setting, _ := strings.Cut(word, "="); name == wanted {
			if n, err := strconv.Atoi(setting); err == nil {
				value = strconv.Itoa(n)
			}
		}
	}
	return value
}
