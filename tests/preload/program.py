# SPDX-License-Identifier: MIT
# Threads that allocate, hand what they made to each other, and end. Nothing here waits for a time: each queue has one
# writer and one reader, so the sums are the same whatever runs first.
import queue
import threading

THREADS, ROUNDS, OBJECTS = 4, 2, 2000


def make(seed, i):
    kind = (seed + i) % 4
    if kind == 0:
        return bytearray(i % 256 for _ in range(1 + i % 700))
    if kind == 1:
        return [str(i * k) for k in range(i % 40)]
    if kind == 2:
        return {k: (seed, "x" * k) for k in range(i % 30)}
    return "%d/%d" % (seed, i) * (1 + i % 50)


def size(thing):
    if isinstance(thing, dict):
        return sum(k + len(text) for k, (_, text) in thing.items())
    if isinstance(thing, list):
        return sum(len(text) for text in thing)
    return sum(thing) if isinstance(thing, bytearray) else len(thing)


def work(number, inbox, outbox, sums):
    kept = {}
    for i in range(OBJECTS):
        outbox.put(make(number, i))
        kept[i % 500] = make(number + 1, i)
        if i % 2 == 1:
            sums[number] += size(inbox.get()) + size(inbox.get())
    sums[number] += sum(size(thing) for thing in kept.values())


for turn in range(ROUNDS):
    queues = [queue.Queue() for _ in range(THREADS)]
    sums = [0] * THREADS
    threads = [threading.Thread(target=work, args=(n, queues[n], queues[(n + 1) % THREADS], sums))
               for n in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(turn, sums, [q.qsize() for q in queues])
