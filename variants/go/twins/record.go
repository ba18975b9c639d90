// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"syscall"
	"time"
)

type sample struct {
	Iteration int    `json:"iteration"`
	Warmup    bool   `json:"warmup"`
	WallNs    int64  `json:"wall_ns"`
	CPUNs     int64  `json:"cpu_ns"`
	Ops       uint64 `json:"ops"`
	ZeroBytes uint64 `json:"zero_bytes"`
	Cycles    uint64 `json:"collections"`
	begun     time.Time
}

type subject struct {
	Name    string            `json:"name"`
	Version string            `json:"version"`
	Library string            `json:"library"`
	SHA256  string            `json:"sha256"`
	Axes    *string           `json:"axes"`
	Knobs   map[string]string `json:"knobs"`
}

type proof struct {
	OK      bool              `json:"ok"`
	Symbols map[string]string `json:"symbols"`
	Lacking []string          `json:"lacking"`
}

type memory struct {
	PeakRSS         int64 `json:"peak_rss_bytes"`
	BelowResolution bool  `json:"below_resolution"`
	RSSBefore       int64 `json:"rss_before_bytes"`
	RSSAnon         int64 `json:"rss_anon_bytes"`
	RSSEnd          int64 `json:"rss_end_bytes"`
	RSSAfterDrain   int64 `json:"rss_after_drain_bytes"`
	MinorFaults     int64 `json:"minor_faults"`
	MajorFaults     int64 `json:"major_faults"`
}

type disturbance struct {
	StealNs             int64 `json:"steal_ns"`
	InvoluntarySwitches int64 `json:"involuntary_switches"`
	RunqueueNs          int64 `json:"runqueue_ns"`
	FrequencyKHz        *int  `json:"frequency_khz"`
}

// goRuntime is what real Go tells of itself, of the whole process.
type goRuntime struct {
	NumGC   uint32             `json:"num_gc"`
	PauseNs uint64             `json:"pause_total_ns"`
	Mallocs uint64             `json:"mallocs"`
	BySize  map[string]uint64  `json:"mallocs_by_size"`
	Metrics map[string]float64 `json:"metrics"`
}

type record struct {
	Schema   int     `json:"schema"`
	Status   string  `json:"status"`
	Message  string  `json:"message"`
	Subject  subject `json:"subject"`
	Proof    proof   `json:"proof"`
	Workload struct {
		Name    string            `json:"name"`
		Flavour string            `json:"flavour"`
		Params  map[string]uint64 `json:"params"`
		Seed    uint64            `json:"seed"`
	} `json:"workload"`
	Mode        string             `json:"mode"`
	Counters    map[string]float64 `json:"workload_counters"`
	Allocations *allocations       `json:"allocations"`
	Checksum    string             `json:"checksum"`
	Samples     []sample           `json:"samples"`
	GC          *collectorFigures  `json:"gc"`
	Memory      *memory            `json:"memory"`
	Disturbance disturbance        `json:"disturbance"`
	Environment map[string]any     `json:"environment"`
	Go          goRuntime          `json:"go"`
}

func experiments() string {
	info, ok := debug.ReadBuildInfo()
	for i := 0; ok && i < len(info.Settings); i++ {
		if info.Settings[i].Key == "GOEXPERIMENT" {
			return info.Settings[i].Value
		}
	}
	return ""
}

func runtimeVersion() string {
	version, _, _ := strings.Cut(runtime.Version(), " ")
	return version
}

func goVersion() string {
	version := runtimeVersion()
	if e := experiments(); e != "" && !strings.Contains(version, "-X:") {
		version += "-X:" + e
	}
	return version
}

// subjectName is what the program is, not what it was meant to be: Green Tea is an experiment of Go 1.25 and the default
// of 1.26.
func subjectName() string {
	version, _, _ := strings.Cut(runtimeVersion(), "-X:") // the toolchain adds its experiments
	version = strings.TrimPrefix(version, "go")
	byDefault, e := !strings.HasPrefix(version, "1.25"), experiments()
	off := strings.Contains(e, "nogreenteagc")
	if !off && (byDefault || strings.Contains(e, "greenteagc")) {
		return "go-" + version + "-greentea"
	}
	return "go-" + version + "-classic"
}

// ---- knobs: Go's own variables, read back from the runtime

func knobCatalog() []map[string]any {
	knob := func(name, summary string) map[string]any {
		return map[string]any{"name": name, "variable": name, "format": "%s", "join": nil, "summary": summary}
	}
	ofDebug := func(name, summary string) map[string]any {
		k := knob(name, summary)
		k["variable"], k["format"], k["join"] = "GODEBUG", name+"=%s", ","
		return k
	}
	return []map[string]any{
		knob("GOGC", "growth of the heap between collections, percent of what is live (default 100), or off"),
		knob("GOMEMLIMIT", "bytes that the process should stay below, or off (default)"),
		knob("GOMAXPROCS", "processors that run Go code (default: those there are)"),
		ofDebug("gcstoptheworld", "1: marking stops the program; 2: sweeping too (default 0)"),
		ofDebug("asyncpreemptoff", "1: goroutines are not interrupted by signals, which callgrind cannot take (default 0)"),
	}
}

func knobsInForce() map[string]string {
	percent, limit := debug.SetGCPercent(100), debug.SetMemoryLimit(-1)
	debug.SetGCPercent(percent)
	knobs := map[string]string{"GOGC": strconv.Itoa(percent), "GOMEMLIMIT": strconv.FormatInt(limit, 10),
		"GOMAXPROCS": strconv.Itoa(runtime.GOMAXPROCS(0)), "gcstoptheworld": debugKnob(os.Getenv("GODEBUG"), "gcstoptheworld"),
		"asyncpreemptoff": debugKnob(os.Getenv("GODEBUG"), "asyncpreemptoff")}
	if percent < 0 {
		knobs["GOGC"] = "off"
	}
	if limit == math.MaxInt64 {
		knobs["GOMEMLIMIT"] = "off"
	}
	return knobs
}

func (r *record) proveKnobs(asked string) (err error) {
	readPairs("spanlab-knobs", asked, func(name, value string) error {
		if has, known := r.Subject.Knobs[name]; !known || has != value {
			err = fmt.Errorf("knob %s was to be %s, and reads '%s'", name, value, has)
		}
		return nil
	})
	return err
}

// ---- the record

func newRecord(f flags, w workload) *record {
	r := &record{Schema: 1, Status: "ok", Mode: f.mode, Samples: []sample{}}
	program, _ := os.Executable()
	r.Subject = subject{Name: subjectName(), Version: goVersion(), Library: program, Knobs: knobsInForce()}
	if text, err := os.ReadFile(program); err == nil {
		r.Subject.SHA256 = fmt.Sprintf("%x", sha256.Sum256(text))
	}
	debug.FreeOSMemory() // the program's text is not the workload's heap
	r.Proof = proof{Symbols: map[string]string{}, Lacking: []string{}}
	r.Workload.Name, r.Workload.Flavour, r.Workload.Params, r.Workload.Seed = f.workload, "traced", w.params, seed
	environment := 0
	for _, variable := range os.Environ() {
		environment += len(variable) + 1
	}
	r.Environment = map[string]any{"environment_bytes": environment, "page_bytes": os.Getpagesize()}
	return r
}

func startSample(index int, warmup bool) sample {
	return sample{Iteration: index, Warmup: warmup, CPUNs: -cpuNs(), begun: time.Now()}
}

func (s *sample) stop(ops uint64) {
	s.WallNs = time.Since(s.begun).Nanoseconds()
	s.CPUNs += cpuNs()
	s.Ops = ops
}

func processUsage() (usage syscall.Rusage) {
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return usage
}

func cpuNs() int64 {
	usage := processUsage()
	return usage.Utime.Nano() + usage.Stime.Nano()
}

// statusBytes reads a line of /proc/self/status that counts kB.
func statusBytes(field string) int64 {
	text, _ := os.ReadFile("/proc/self/status")
	for _, line := range bytes.Split(text, []byte("\n")) {
		words := strings.Fields(string(line))
		if len(words) >= 2 && words[0] == field+":" {
			kilobytes, _ := strconv.ParseInt(words[1], 10, 64)
			return kilobytes * 1024
		}
	}
	return 0
}

// begin notes where memory stands before the iteration; the kernel forgets the peak so far.
func (r *record) begin() error {
	if r.Mode != "memory" {
		return nil
	}
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		return fmt.Errorf("the peak of memory cannot be measured: %v", err)
	}
	usage := processUsage()
	r.Memory = &memory{RSSBefore: statusBytes("VmRSS"), MinorFaults: -usage.Minflt, MajorFaults: -usage.Majflt}
	return nil
}

func (r *record) end() {
	m := r.Memory
	if m == nil {
		return
	}
	usage := processUsage()
	m.MinorFaults += usage.Minflt
	m.MajorFaults += usage.Majflt
	m.PeakRSS = statusBytes("VmHWM") - m.RSSBefore
	m.BelowResolution = m.PeakRSS < 1<<20
	m.RSSAnon = statusBytes("RssAnon")
	m.RSSEnd = statusBytes("VmRSS") - m.RSSBefore
	debug.FreeOSMemory()
	m.RSSAfterDrain = statusBytes("VmRSS") - m.RSSBefore
}

// readDisturbance reads what others have taken from this process so far.
func readDisturbance() disturbance {
	d := disturbance{InvoluntarySwitches: processUsage().Nivcsw}
	tasks, _ := filepath.Glob("/proc/self/task/*/schedstat")
	for _, task := range tasks {
		text, _ := os.ReadFile(task)
		if words := strings.Fields(string(text)); len(words) >= 2 {
			waited, _ := strconv.ParseInt(words[1], 10, 64)
			d.RunqueueNs += waited
		}
	}
	const stealField, tickNs = 8, 10_000_000 // of the line "cpu"; USER_HZ is 100 on linux/amd64
	text, _ := os.ReadFile("/proc/stat")
	if words := strings.Fields(string(text)); len(words) > stealField {
		ticks, _ := strconv.ParseInt(words[stealField], 10, 64)
		d.StealNs = ticks * tickNs
	}
	return d
}

func (d disturbance) since(before disturbance) disturbance {
	d.StealNs -= before.StealNs
	d.InvoluntarySwitches -= before.InvoluntarySwitches
	d.RunqueueNs = max(0, d.RunqueueNs-before.RunqueueNs) // threads that have ended took theirs along
	return d
}

func (r *record) readRuntime() {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	r.Go = goRuntime{stats.NumGC, stats.PauseTotalNs, stats.Mallocs, map[string]uint64{}, map[string]float64{}}
	for _, class := range stats.BySize {
		if class.Mallocs != 0 {
			r.Go.BySize[strconv.FormatUint(uint64(class.Size), 10)] = class.Mallocs
		}
	}
	for _, d := range metrics.All() {
		s := []metrics.Sample{{Name: d.Name}}
		metrics.Read(s)
		value := math.Inf(1)
		switch s[0].Value.Kind() {
		case metrics.KindUint64:
			value = float64(s[0].Value.Uint64())
		case metrics.KindFloat64:
			value = s[0].Value.Float64()
		}
		if value < math.MaxInt64 { // limits that are off are no figures, nor integers that JSON readers take
			r.Go.Metrics[d.Name] = value
		}
	}
}
