/* SPDX-License-Identifier: MIT */
#include "workers.h"
#include "input.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>

static struct worker {
    pthread_t thread;
    sem_t asked, done;
    void (*body)(void *); /* NULL: end */
    void *argument;
    bool running;
} workers[WORKERS];

static void wait_for(sem_t *s) {
    while (sem_wait(s) != 0)
        if (errno != EINTR)
            FUZZ_FAIL("sem_wait: %s", strerror(errno));
}

static void *work(void *argument) {
    struct worker *w = argument;
    for (;;) {
        wait_for(&w->asked);
        if (w->body == NULL)
            return NULL;
        w->body(w->argument);
        sem_post(&w->done);
    }
}

static void worker_start(struct worker *w) {
    sem_init(&w->asked, 0, 0);
    sem_init(&w->done, 0, 0);
    if (pthread_create(&w->thread, NULL, work, w) != 0)
        FUZZ_FAIL("no thread to be had");
    w->running = true;
}

void worker_run(unsigned worker, void (*body)(void *), void *argument) {
    struct worker *w = &workers[worker];
    if (worker == 0) {
        body(argument);
        return;
    }
    if (!w->running)
        worker_start(w);
    w->body = body;
    w->argument = argument;
    sem_post(&w->asked);
    wait_for(&w->done);
}

void worker_end(unsigned worker) {
    struct worker *w = &workers[worker];
    if (!w->running)
        return;
    w->body = NULL;
    sem_post(&w->asked);
    pthread_join(w->thread, NULL);
    sem_destroy(&w->asked);
    sem_destroy(&w->done);
    w->running = false;
}

void workers_end(void) {
    for (unsigned i = 1; i < WORKERS; i++)
        worker_end(i);
}
