// SPDX-License-Identifier: MIT

// Program twins is real Go as a subject: it runs a workload's twin, the same operations in the same order, so that the
// checksum is the one that the C program prints. A twin is one file, which registers itself. The program takes the flags
// of a bench program and writes its record (docs/record.md), with what the runtime tells beside it.
//
//	GOTOOLCHAIN=go1.25.3 go run ./twins --spanlab-workload=binary-trees --spanlab-params=threads=5,depth=20
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// A workload's parameters with their defaults, some small ones with which the test compares it to the C program, and
// one iteration of it; the checksums are those of its threads.
type workload struct {
	params map[string]uint64
	checks []string
	run    func(params map[string]uint64) []uint64
}

var workloads = map[string]workload{}

// prepares holds what some workloads do before the clock starts.
var prepares = map[string]func(params map[string]uint64){}

// seed is what threads' random streams start from.
var seed uint64

// operations counts those of the iteration that runs; twins tell them by countOps.
var operations atomic.Uint64

// countOps adds n operations, as the C workload counts them; once per thread, or seldom.
func countOps(n uint64) { operations.Add(n) }

// counters are figures of the last iteration that differ between subjects, as checksums may not.
var counters = map[string]float64{}

func counter(name string, value float64) { counters[name] = value }

// mix folds a value into a checksum as harness/bench/workload.h does.
func mix(checksum, value uint64) uint64 {
	checksum = (checksum ^ value) * 0x9fb21c651e98df25
	return checksum ^ checksum>>32
}

// parallel runs body on each thread, with a random stream of its own, and collects the checksums in their order.
func parallel(threads uint64, body func(index uint64, random *rng) uint64) []uint64 {
	if counting != nil {
		return parallelCounted(threads, body)
	}
	checksums := make([]uint64, threads)
	var done sync.WaitGroup
	for i := range checksums {
		done.Add(1)
		go func() {
			defer done.Done()
			checksums[i] = body(uint64(i), newRNG(seed, uint64(i)))
		}()
	}
	done.Wait()
	return checksums
}

type flags struct {
	catalog, checks, allocations                               bool
	workload, params, mode, expect, library, knobs, resultPath string
	warmup, iterations                                         int
}

func usage(format string, args ...any) {
	fmt.Fprintf(os.Stderr, subjectName()+": "+format+"\n", args...)
	os.Exit(2)
}

func parseFlags() flags {
	var f flags
	flag.BoolVar(&f.catalog, "spanlab-catalog", false, "print what there is as JSON")
	flag.BoolVar(&f.checks, "checks", false, "print workloads and parameters to compare with the C programs")
	flag.StringVar(&f.workload, "spanlab-workload", "", "which twin")
	flag.StringVar(&f.params, "spanlab-params", "", "NAME=NUMBER,...")
	flag.BoolVar(&f.allocations, "spanlab-allocations", false, "count objects by size class")
	flag.StringVar(&f.mode, "spanlab-mode", "throughput", "throughput or memory")
	flag.StringVar(&f.expect, "spanlab-expect", "", "the subject that this must be")
	flag.StringVar(&f.library, "spanlab-library", "", "not for Go: a subject of its own")
	flag.StringVar(&f.knobs, "spanlab-knobs", "", "NAME=VALUE,... that must be read back")
	flag.StringVar(&f.resultPath, "spanlab-result", "", "where the record goes: a path, or an open file descriptor")
	flag.IntVar(&f.warmup, "spanlab-warmup", -1, "iterations that do not count")
	flag.IntVar(&f.iterations, "spanlab-iterations", -1, "iterations that do")
	flag.Uint64Var(&seed, "spanlab-seed", 1, "of the random streams")
	flag.Parse()
	if f.mode != "throughput" && f.mode != "memory" {
		usage("--spanlab-mode is '%s'; it is throughput or memory", f.mode)
	}
	memory := f.mode == "memory"
	if f.warmup < 0 {
		f.warmup = map[bool]int{false: 1, true: 0}[memory]
	}
	if f.iterations < 1 {
		f.iterations = map[bool]int{false: 5, true: 1}[memory]
	}
	return f
}

func names() []string {
	all := []string{}
	for name := range workloads {
		all = append(all, name)
	}
	sort.Strings(all)
	return all
}

func printCatalog() {
	type param struct {
		Name  string `json:"name"`
		Value uint64 `json:"value"`
	}
	type twin struct {
		Name   string  `json:"name"`
		Params []param `json:"params"`
	}
	twins := []twin{}
	for _, name := range names() {
		t := twin{name, nil}
		for p, value := range workloads[name].params {
			t.Params = append(t.Params, param{p, value})
		}
		twins = append(twins, t)
	}
	subject := map[string]any{"name": subjectName(), "summary": "real Go: " + goVersion(), "preload": false,
		"present": true, "bound": false, "library": nil, "knobs": knobCatalog()}
	json.NewEncoder(os.Stdout).Encode(map[string]any{"schema": 1, "flavour": "traced", "subjects": []any{subject},
		"workloads": twins})
}

// readPairs calls set for each NAME=VALUE.
func readPairs(flagName, text string, set func(name, value string) error) {
	for _, item := range strings.Split(text, ",") {
		if item == "" {
			continue
		}
		name, value, found := strings.Cut(item, "=")
		if !found {
			usage("--%s has '%s'; give NAME=VALUE", flagName, item)
		}
		if err := set(name, value); err != nil {
			usage("--%s has '%s': %v", flagName, item, err)
		}
	}
}

func readParams(params map[string]uint64, text string) {
	readPairs("spanlab-params", text, func(name, value string) error {
		number, err := strconv.ParseUint(value, 10, 64)
		if _, known := params[name]; !known {
			return fmt.Errorf("the parameters are %v", params)
		}
		params[name] = number
		return err
	})
}

func resultFile(path string) io.Writer {
	if path == "" {
		return os.Stdout
	}
	if descriptor, err := strconv.Atoi(path); err == nil {
		return os.NewFile(uintptr(descriptor), "result")
	}
	file, err := os.Create(path)
	if err != nil {
		usage("--spanlab-result: %v", err)
	}
	return file
}

// measure runs the iterations and fills in what they gave.
func measure(r *record, f flags, w workload) error {
	before := readDisturbance()
	r.GC = newCollector()
	for i := 0; i < f.warmup+f.iterations; i++ {
		operations.Store(0)
		if err := r.begin(); err != nil {
			return err
		}
		if counting != nil {
			startCounting()
		}
		if prepare := prepares[f.workload]; prepare != nil {
			countAllocations(func() { prepare(w.params) })
		}
		r.GC.begin()
		s := startSample(i, i < f.warmup)
		checksums := w.run(w.params)
		s.stop(operations.Load())
		s.Cycles = r.GC.end(s.Warmup)
		r.end()
		r.Samples = append(r.Samples, s)
		var all uint64
		for _, c := range checksums {
			all = mix(all, c)
		}
		text := fmt.Sprintf("%016x", all)
		if r.Checksum != "" && r.Checksum != text {
			return fmt.Errorf("iteration %d gave checksum %s, the first one %s", i, text, r.Checksum)
		}
		r.Checksum = text
	}
	r.Counters = counters
	r.Disturbance = readDisturbance().since(before)
	r.GC.finish()
	return nil
}

func run(f flags) (*record, error) {
	w := workloads[f.workload]
	readParams(w.params, f.params)
	r := newRecord(f, w)
	if f.expect != "" && f.expect != subjectName() {
		return r, fmt.Errorf("this is %s, not %s", subjectName(), f.expect)
	}
	if f.library != "" {
		return r, errors.New("real Go brings its own allocator: no library can stand in for it")
	}
	if err := r.proveKnobs(f.knobs); err != nil {
		return r, err
	}
	r.Proof.OK = true
	if f.allocations {
		counting = &allocations{}
		r.Allocations = counting
	}
	if err := measure(r, f, w); err != nil {
		return r, err
	}
	r.readRuntime()
	return r, nil
}

func main() {
	f := parseFlags()
	if f.checks {
		for _, name := range names() {
			for _, params := range workloads[name].checks {
				fmt.Println(name, params)
			}
		}
		return
	}
	if f.catalog {
		printCatalog()
		return
	}
	if _, known := workloads[f.workload]; !known {
		usage("--spanlab-workload is '%s'; there are %s", f.workload, strings.Join(names(), ", "))
	}
	r, err := run(f)
	if err != nil {
		r.Status, r.Message = "failed", err.Error()
	}
	if encodeErr := json.NewEncoder(resultFile(f.resultPath)).Encode(r); encodeErr != nil {
		usage("the record cannot be written: %v", encodeErr)
	}
	if err != nil {
		os.Exit(1)
	}
}
