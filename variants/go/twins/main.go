// SPDX-License-Identifier: MIT

// Program twins runs a workload's twin on real Go: the same operations in the same order, so that the checksum is the
// one that the C program prints. A workload is one file, which registers itself. The record goes to standard output.
//
//	GOTOOLCHAIN=go1.25.3 go run ./twins -workload binary-trees -params threads=5,depth=20 -iterations 3
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A workload's parameters with their defaults, and one iteration of it; the checksums are those of its threads.
type workload struct {
	params map[string]uint64
	run    func(params map[string]uint64) []uint64
}

var workloads = map[string]workload{}

// mix folds a value into a checksum as harness/bench/workload.h does.
func mix(checksum, value uint64) uint64 {
	checksum = (checksum ^ value) * 0x9fb21c651e98df25
	return checksum ^ checksum>>32
}

// parallel runs body on each thread and collects the checksums in their order.
func parallel(threads uint64, body func(index uint64) uint64) []uint64 {
	checksums := make([]uint64, threads)
	var done sync.WaitGroup
	for i := range checksums {
		done.Add(1)
		go func() {
			defer done.Done()
			checksums[i] = body(uint64(i))
		}()
	}
	done.Wait()
	return checksums
}

type sample struct {
	Warmup bool  `json:"warmup"`
	WallNs int64 `json:"wall_ns"`
	CPUNs  int64 `json:"cpu_ns"`
}

type record struct {
	Workload string             `json:"workload"`
	Go       string             `json:"go"`
	Params   map[string]uint64  `json:"params"`
	Checksum string             `json:"checksum"`
	Samples  []sample           `json:"samples"`
	PeakRSS  int64              `json:"rss_peak_bytes"`
	NumGC    uint32             `json:"num_gc"`
	PauseNs  uint64             `json:"pause_total_ns"`
	Mallocs  uint64             `json:"mallocs"`
	BySize   map[string]uint64  `json:"mallocs_by_size"`
	Metrics  map[string]float64 `json:"metrics"`
}

func fail(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "twins: "+format+"\n", args...)
	os.Exit(2)
}

func readParams(params map[string]uint64, text string) {
	for _, item := range strings.Split(text, ",") {
		name, value, found := strings.Cut(item, "=")
		if item == "" {
			continue
		}
		number, err := strconv.ParseUint(value, 10, 64)
		if _, known := params[name]; !found || !known || err != nil {
			fail("-params has '%s'; give NAME=NUMBER of %v", item, params)
		}
		params[name] = number
	}
}

func cpuNs() int64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		fail("getrusage: %v", err)
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}

func peakRSS() int64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		fail("getrusage: %v", err)
	}
	return usage.Maxrss * 1024
}

func goVersion() string {
	info, ok := debug.ReadBuildInfo()
	version := runtime.Version()
	for i := 0; ok && i < len(info.Settings); i++ {
		if info.Settings[i].Key == "GOEXPERIMENT" {
			version += " GOEXPERIMENT=" + info.Settings[i].Value
		}
	}
	return version
}

func (r *record) readRuntime() {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	r.NumGC, r.PauseNs, r.Mallocs, r.PeakRSS = stats.NumGC, stats.PauseTotalNs, stats.Mallocs, peakRSS()
	r.BySize = map[string]uint64{}
	for _, class := range stats.BySize {
		if class.Mallocs != 0 {
			r.BySize[strconv.FormatUint(uint64(class.Size), 10)] = class.Mallocs
		}
	}
	r.Metrics = map[string]float64{}
	for _, d := range metrics.All() {
		s := []metrics.Sample{{Name: d.Name}}
		metrics.Read(s)
		switch s[0].Value.Kind() {
		case metrics.KindUint64:
			r.Metrics[d.Name] = float64(s[0].Value.Uint64())
		case metrics.KindFloat64:
			r.Metrics[d.Name] = s[0].Value.Float64()
		}
	}
}

func main() {
	name := flag.String("workload", "", "which twin")
	params := flag.String("params", "", "NAME=NUMBER,...")
	warmup := flag.Int("warmup", 1, "iterations that do not count")
	iterations := flag.Int("iterations", 5, "iterations that do")
	flag.Parse()
	w, known := workloads[*name]
	if !known || *iterations < 1 {
		names := []string{}
		for n := range workloads {
			names = append(names, n)
		}
		fail("-workload is '%s'; there are %s", *name, strings.Join(names, ", "))
	}
	readParams(w.params, *params)
	r := record{Workload: *name, Go: goVersion(), Params: w.params}
	for i := -*warmup; i < *iterations; i++ {
		cpu, start := cpuNs(), time.Now()
		checksums := w.run(w.params)
		r.Samples = append(r.Samples, sample{i < 0, time.Since(start).Nanoseconds(), cpuNs() - cpu})
		var all uint64
		for _, c := range checksums {
			all = mix(all, c)
		}
		text := fmt.Sprintf("%016x", all)
		if r.Checksum != "" && r.Checksum != text {
			fail("iteration %d gave another checksum than the first one", i)
		}
		r.Checksum = text
	}
	r.readRuntime()
	if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
		fail("%v", err)
	}
}
