// SPDX-License-Identifier: MIT

//go:build spanlab_runtime

package runtime

// PaceScavenger sets the two goals as after a collection, with the heap and all of memory taken to be of these sizes.
func PaceScavenger(limit int64, goal, lastGoal, lastInUse, retained, mapped uint64) (percentGoal, limitGoal uint64) {
	systemstack(func() {
		lock(&mheap_.lock)
		inUse := memstats.lastHeapInUse
		moreRetained := int64(retained) - int64(heapRetained())
		moreMapped := int64(mapped) - int64(gcController.mappedReady.Load())
		memstats.lastHeapInUse = lastInUse
		gcController.heapFree.add(moreRetained)
		gcController.mappedReady.Add(moreMapped)
		gcPaceScavenger(limit, goal, lastGoal)
		percentGoal, limitGoal = scavenge.gcPercentGoal.Load(), scavenge.memoryLimitGoal.Load()
		gcController.heapFree.add(-moreRetained)
		gcController.mappedReady.Add(-moreMapped)
		memstats.lastHeapInUse = inUse
		scavenge.gcPercentGoal.Store(^uint64(0))
		scavenge.memoryLimitGoal.Store(^uint64(0))
		unlock(&mheap_.lock)
	})
	return
}
