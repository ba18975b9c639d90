// SPDX-License-Identifier: MIT

//go:build spanlab_runtime

// What the real scavenger decides: the goldens results/golden/scavenge-*.txt, which tests/goalloc/test_golden_scavenge.c
// replays.
//
// density, with pages counted from the first one:
//
//	A page npages   in use           F page npages   free again
//	G               next generation  E chunk         nothing is left in the chunk
//	S force page    the highest page to be looked at, or -1
//
// controller, with float64 bits in hexadecimal:
//
//	C kp ti tt min max              a controller
//	N input setpoint period output ok
//
// pace, a scavenger whose work, clock and goals are ours:
//
//	P procs         a scavenger begins
//	T stop          it asks whether to stop
//	W want got ns   it releases memory; want bytes, got bytes in ns
//	Z asked slept   it sleeps, in ns
//	K               it parks, and is woken up
//
// goals:
//
//	limit goal last-goal last-in-use retained mapped percent-goal limit-goal
package runtime_test

import (
	"bufio"
	"fmt"
	"math"
	"os"
	. "runtime"
	"strconv"
	"testing"
)

type scavengeTrace struct {
	random
	out   *bufio.Writer
	steps int
}

func (t *scavengeTrace) density() {
	const chunks = 12
	var used [chunks * chunkPages]bool
	index := NewScavengeIndex(BaseChunkIdx, BaseChunkIdx+chunks)
	index.ResetSearchAddrs()
	base := PageBase(BaseChunkIdx, 0)
	for i := 0; i < t.steps; i++ {
		switch d := t.below(100); {
		case d < 70:
			// Growing and shrinking by turns, so that chunks become dense and thin again.
			take := t.below(100) < 30+40*(i/500%2)
			first := t.below(len(used))
			for first < len(used) && used[first] == take {
				first++
			}
			most, n := 1+t.below(2)*t.below(900)+t.below(40), 0
			for first+n < len(used) && n < most && used[first+n] != take {
				used[first+n] = take
				n++
			}
			if n == 0 {
				continue
			}
			from, to := base+uintptr(first*pageBytes), base+uintptr((first+n)*pageBytes)
			if take {
				index.AllocRange(from, to)
				fmt.Fprintf(t.out, "A %d %d\n", first, n)
			} else {
				index.FreeRange(from, to)
				fmt.Fprintf(t.out, "F %d %d\n", first, n)
			}
		case d < 72:
			index.NextGen()
			fmt.Fprintf(t.out, "G\n")
		default:
			force := t.below(3) == 0
			chunk, at := index.Find(force)
			page := -1
			if chunk != 0 {
				page = int(chunk-BaseChunkIdx)*chunkPages + int(at)
			}
			fmt.Fprintf(t.out, "S %t %d\n", force, page)
			if page >= 0 && t.below(2) == 0 {
				index.SetEmpty(chunk)
				fmt.Fprintf(t.out, "E %d\n", page/chunkPages)
			}
		}
	}
}

// float is anything from a hundredth to a hundred times the scale, now and then without measure.
func (t *scavengeTrace) float(scale float64) float64 {
	f := scale * math.Exp(float64(t.below(9200))/1000-4.6)
	switch t.below(200) {
	case 0:
		f = math.Inf(1)
	case 1:
		f *= 1e300
	case 2:
		f = -f
	}
	return f
}

func (t *scavengeTrace) controller() {
	for i := 0; i < t.steps; {
		kp, ti, tt, least, most := 0.3375, 3.2e6, 1e9, 0.001, 1000.0
		if t.below(3) == 0 {
			kp, ti, tt, least, most = t.float(0.5), t.float(1e6), t.float(1e6), 0.01, 100
		}
		c := NewPIController(kp, ti, tt, least, most)
		fmt.Fprintf(t.out, "C %x %x %x %x %x\n", math.Float64bits(kp), math.Float64bits(ti),
			math.Float64bits(tt), math.Float64bits(least), math.Float64bits(most))
		for n := 20 + t.below(100); n > 0; n-- {
			input, setpoint, period := t.float(0.01), t.float(0.01), t.float(1e6)
			output, ok := c.Next(input, setpoint, period)
			fmt.Fprintf(t.out, "N %x %x %x %x %t\n", math.Float64bits(input), math.Float64bits(setpoint),
				math.Float64bits(period), math.Float64bits(output), ok)
			i++
		}
	}
}

func (t *scavengeTrace) pace() {
	for i := 0; i < t.steps; {
		procs, left := int32(1+t.below(16)), 200+t.below(400)
		cost := 1 + t.below(2)*t.below(400)
		var worked int64
		fmt.Fprintf(t.out, "P %d\n", procs)
		s := Scavenger{
			GoMaxProcs: func() int32 { return procs },
			ShouldStop: func() bool {
				stop := left <= 0 || t.below(150) == 0
				fmt.Fprintf(t.out, "T %t\n", stop)
				return stop
			},
			Scavenge: func(n uintptr) (uintptr, int64) {
				got, ns := n, int64(t.below(2000*cost))
				switch t.below(40) {
				case 0:
					got = uintptr(t.below(17) * 4096)
				case 1:
					ns = 0
				case 2:
					got = 2 << 20
				}
				worked += ns
				if ns == 0 {
					worked += int64(got / 4096 * 10000)
				}
				left--
				i++
				fmt.Fprintf(t.out, "W %d %d %d\n", n, got, ns)
				return got, ns
			},
			Sleep: func(ns int64) int64 {
				slept := ns
				switch t.below(12) {
				case 0:
					slept = ns / int64(1+t.below(8)) // woken up
				case 1:
					slept = ns + int64(t.below(100000))
				case 2:
					slept = ns * int64(1+t.below(100)) // the machine had something else to do
				}
				if t.below(25) == 0 {
					slept = -max(worked, 1000000) // no time has passed at all: the controller gives up
				}
				worked = 0
				fmt.Fprintf(t.out, "Z %d %d\n", ns, slept)
				return slept
			},
		}
		s.Start()
		for left > 0 {
			fmt.Fprintf(t.out, "K\n")
			s.Wake()
			if !s.BlockUntilParked(10e9) {
				panic("the scavenger does not park")
			}
		}
		s.Stop()
	}
}

func (t *scavengeTrace) goals() {
	for i := 0; i < t.steps; i++ {
		retained := uint64(8192+t.below(1<<17)) * 8192
		mapped := retained + uint64(t.below(1<<12))*4096
		goal, lastGoal := uint64(4<<20+t.below(1<<30)), uint64(4<<20+t.below(1<<30))
		lastInUse := uint64(1+t.below(1<<17)) * 8192
		limit := int64(math.MaxInt64)
		switch t.below(10) {
		case 0:
			lastGoal = 0
		case 1:
			goal = lastGoal
			retained = (lastInUse + lastInUse/10 + 8191) / 8192 * 8192
		case 2, 3:
			limit = int64(1+t.below(1<<20)) * 1000
		case 4:
			limit = int64(float64(mapped)/0.95) + int64(t.below(5)) - 2
		}
		percentGoal, limitGoal := PaceScavenger(limit, goal, lastGoal, lastInUse, retained, mapped)
		fmt.Fprintf(t.out, "%d %d %d %d %d %d %d %d\n", limit, goal, lastGoal, lastInUse, retained, mapped, percentGoal,
			limitGoal)
	}
}

func TestScavenge(t *testing.T) {
	kind := os.Getenv("PAGEALLOC_KIND")
	seed, errSeed := strconv.ParseUint(os.Getenv("PAGEALLOC_SEED"), 10, 64)
	steps, errSteps := strconv.Atoi(os.Getenv("PAGEALLOC_STEPS"))
	if errSeed != nil || errSteps != nil {
		t.Fatal("PAGEALLOC_KIND, _SEED and _STEPS say what to record")
	}
	f, err := os.Create(os.Getenv("PAGEALLOC_OUT"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tr := scavengeTrace{random(seed), bufio.NewWriter(f), steps}
	defer tr.out.Flush()
	fmt.Fprintf(tr.out, "# %s scavenger, %s, seed %d\n", Version(), kind, seed)
	record, known := map[string]func(){"density": tr.density, "controller": tr.controller, "pace": tr.pace,
		"goals": tr.goals}[kind]
	if !known {
		t.Fatalf("PAGEALLOC_KIND is %q", kind)
	}
	record()
}
