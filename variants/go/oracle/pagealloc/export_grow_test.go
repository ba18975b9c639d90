// SPDX-License-Identifier: MIT

//go:build spanlab_runtime

package runtime

// Grow hands the page allocator npages more at base, as the heap does; base and length are whole chunks.
func (p *PageAlloc) Grow(base, npages uintptr) {
	pages := (*pageAlloc)(p)
	systemstack(func() {
		lock(pages.mheapLock)
		pages.grow(base, npages*pageSize)
		unlock(pages.mheapLock)
	})
}
