// SPDX-License-Identifier: MIT

package main

// The twin of workloads/hashmap-lru.c.

const (
	lruFirstBuckets = 16
	lruValueMax     = 128
	lruKeysPerEntry = 4
	lruEntryBytes   = 64 + lruValueMax/2 + 12
)

type lruEntry struct {
	chain, newer, older *lruEntry
	value               []byte
	key                 uint64
}

type lruCache struct {
	table   []*lruEntry
	ends    *lruEntry
	entries uint64
}

func init() {
	workloads["hashmap-lru"] = workload{
		map[string]uint64{"threads": 1, "live": 8, "lookups": 2000},
		[]string{"live=1,lookups=30,threads=1", "live=2,lookups=40,threads=3"},
		hashmapLRU,
	}
}

// Inlined, it would keep the cache on the stack.
//
//go:noinline
func newLRU() *lruCache {
	c := &lruCache{table: make([]*lruEntry, lruFirstBuckets), ends: &lruEntry{}}
	c.ends.newer, c.ends.older = c.ends, c.ends
	return c
}

func (c *lruCache) bucket(key uint64) **lruEntry {
	return &c.table[key*0x9e3779b97f4a7c15>>32&uint64(len(c.table)-1)]
}

func (e *lruEntry) giveValue(length uint64) {
	e.value = make([]byte, length)
	for i := range e.value {
		e.value[i] = byte(e.key)
	}
	e.value[length-1] = byte(length)
}

func (e *lruEntry) fold() uint64 {
	return e.key*31 + uint64(e.value[0])*7 + uint64(e.value[len(e.value)-1])
}

func (e *lruEntry) unlink() {
	e.newer.older = e.older
	e.older.newer = e.newer
}

func (c *lruCache) linkNewest(e *lruEntry) {
	e.older, e.newer = c.ends.older, c.ends
	c.ends.older.newer = e
	c.ends.older = e
}

func (c *lruCache) grow() {
	before := c.table
	c.table = make([]*lruEntry, 2*len(before))
	for _, e := range before {
		for e != nil {
			next, bucket := e.chain, c.bucket(e.key)
			e.chain = *bucket
			*bucket = e
			e = next
		}
	}
}

func (c *lruCache) evictOldest() {
	oldest := c.ends.newer
	slot := c.bucket(oldest.key)
	for *slot != oldest {
		slot = &(*slot).chain
	}
	*slot = oldest.chain
	oldest.unlink()
	c.entries--
}

// insert tells how many objects it has allocated.
func (c *lruCache) insert(key, length uint64) uint64 {
	e, ops := &lruEntry{key: key}, uint64(2)
	e.giveValue(length)
	if c.entries == uint64(len(c.table)) {
		c.grow()
		ops++
	}
	bucket := c.bucket(key)
	e.chain = *bucket
	*bucket = e
	c.linkNewest(e)
	c.entries++
	return ops
}

func hashmapLRU(params map[string]uint64) []uint64 {
	threads := params["threads"]
	entries := params["live"] << 20 / lruEntryBytes / threads
	lookups := params["lookups"] * 1000 / threads
	return parallel(threads, func(_ uint64, random *rng) uint64 {
		var checksum uint64
		c, ops := newLRU(), uint64(3)
		for i := uint64(0); i < lookups; i++ {
			draw := random.next()
			skewed := draw >> 32 * (draw & (1<<32 - 1)) >> 32
			key, length := skewed*entries*lruKeysPerEntry>>32, 1+draw%lruValueMax
			e := *c.bucket(key)
			for e != nil && e.key != key {
				e = e.chain
			}
			if e == nil {
				if c.entries == entries {
					c.evictOldest()
				}
				ops += c.insert(key, length)
				continue
			}
			checksum += e.fold()
			e.unlink()
			c.linkNewest(e)
			if draw>>61 == 0 {
				e.giveValue(length)
				ops++
			}
		}
		checksum = mix(mix(checksum, c.entries), uint64(len(c.table)))
		for c.entries > 0 {
			checksum = mix(checksum, c.ends.newer.fold())
			c.evictOldest()
		}
		countOps(ops)
		return checksum
	})
}
