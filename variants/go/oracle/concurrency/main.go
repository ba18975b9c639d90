// SPDX-License-Identifier: MIT

// Does a program run while real Go marks its heap? What tests/pacing/concurrency.c asks goalloc, of the same structure:
// of each mark phase longer than 5 ms, what goroutines had of the processors beside marking, assists and idle marking,
// over 0.75 x min(threads, processors) x the phase's length. The numbers are gctrace's of a child. Whatever the process
// did not get of the host counts as the program's here, so this is at most too much.
//
//	GOMAXPROCS=2 go run ./oracle/concurrency [THREADS [LIVE_MIB [CYCLES]]]
package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sort"
	"strconv"
)

const (
	chain      = 64
	shortestMs = 5
	nodeBytes  = 64
)

type node struct {
	next  *node
	value [7]uint64
}

func mutate(slots []*node, random uint64) {
	for {
		random = random*6364136223846793005 + 1442695040888963407
		at := random >> 33 % uint64(len(slots))
		for n := slots[at]; n != nil; n = n.next {
			random += n.value[0]
		}
		var head *node
		for i := 0; i < chain; i++ {
			n := &node{next: head}
			n.value[0] = random
			head = n
		}
		slots[at] = head
	}
}

func argument(at, otherwise int) int {
	if len(os.Args) <= at {
		return otherwise
	}
	n, err := strconv.Atoi(os.Args[at])
	if err != nil || n < 1 {
		fmt.Fprintf(os.Stderr, "concurrency: %q is no number of threads, MiB or cycles\n", os.Args[at])
		os.Exit(2)
	}
	return n
}

// The program's share of one phase; false: the line is no cycle of the whole heap, or too short a one.
func share(line string, threads, liveMiB int) (float64, bool) {
	var cycle, percent, before, after, live int
	var at, sweep, mark, end, sweepCPU, assist, background, idle, endCPU float64
	n, _ := fmt.Sscanf(line, "gc %d @%fs %d%%: %f+%f+%f ms clock, %f+%f/%f/%f+%f ms cpu, %d->%d->%d MB", &cycle, &at,
		&percent, &sweep, &mark, &end, &sweepCPU, &assist, &background, &idle, &endCPU, &before, &after, &live)
	if n != 14 || mark <= shortestMs || live < liveMiB*9/10 {
		return 0, false
	}
	processors := runtime.GOMAXPROCS(0)
	wanted := min(threads, processors)
	return (float64(processors)*mark - assist - background - idle) / (0.75 * float64(wanted) * mark), true
}

func watch(threads, liveMiB, cycles int) error {
	child := exec.Command(os.Args[0], os.Args[1:]...)
	child.Env = append(os.Environ(), "CONCURRENCY_CHILD=1", "GODEBUG=gctrace=1")
	traces, err := child.StderrPipe()
	if err != nil {
		return err
	}
	if err := child.Start(); err != nil {
		return err
	}
	var shares []float64
	for lines := bufio.NewScanner(traces); len(shares) < cycles && lines.Scan(); {
		if s, ok := share(lines.Text(), threads, liveMiB); ok {
			shares = append(shares, s)
		}
	}
	child.Process.Kill()
	child.Wait()
	if len(shares) < cycles {
		return fmt.Errorf("the child ended before %d cycles", cycles)
	}
	sort.Float64s(shares)
	below := sort.SearchFloat64s(shares, 0.5)
	fmt.Printf("%s: %d mark phases over %d ms, %d threads, %d MiB, GOMAXPROCS %d: the program's share of what Go leaves it "+
		"is at least %.2f, median %.2f; %d below 0.50\n", runtime.Version(), len(shares), shortestMs, threads, liveMiB,
		runtime.GOMAXPROCS(0), shares[0], shares[len(shares)/2], below)
	return nil
}

func main() {
	threads, liveMiB, cycles := argument(1, 2), argument(2, 256), argument(3, 30)
	if os.Getenv("CONCURRENCY_CHILD") == "" {
		if err := watch(threads, liveMiB, cycles); err != nil {
			fmt.Fprintln(os.Stderr, "concurrency:", err)
			os.Exit(1)
		}
		return
	}
	slots := make([]*node, liveMiB<<20/nodeBytes/chain)
	part := len(slots) / threads
	for i := 1; i < threads; i++ {
		go mutate(slots[i*part:(i+1)*part], uint64(i+1))
	}
	mutate(slots[:part], 1)
}
