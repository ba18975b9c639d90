/* SPDX-License-Identifier: MIT
 *
 * Misuse in any state: the operations of an input lead to the state (model.h), then a forked child makes one call that
 * no program may make. It must end by abort with one line that begins "goalloc: ", whatever was passed: an address that
 * is not the first byte of a live object is never accepted, and never followed to a fault.
 *
 * The input's first byte chooses the call and the kind of address, the next 10 the address; the operations follow.
 */
#include "model.h"

#include "goalloc.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const call_names[] = {"free", "realloc", "usable_size", "free_sized"};

static void misuse(unsigned call, void *p) {
    switch (call) {
    case 0:
        goalloc_free(p);
        break;
    case 1:
        goalloc_realloc(p, 100);
        break;
    case 2:
        goalloc_usable_size(p);
        break;
    default:
        goalloc_free_sized(p, 16);
    }
}

static void *choose_address(unsigned kind, struct input *in) {
    static char in_data[64];
    uint64_t choice = input_bytes(in, 2), number = input_bytes(in, 8);
    struct object *o = model_count == 0 ? NULL : &model_live[choice % model_count];
    unsigned freed = model_freed_count < MODEL_FREED ? model_freed_count : MODEL_FREED;
    switch (kind) {
    case 0 ... 1:
        return freed == 0 ? NULL : model_freed[choice % freed];
    case 2:
        return o == NULL ? NULL : o->p + number % o->usable;
    case 3:
        return o == NULL ? NULL : (void *)((uintptr_t)o->p + o->usable + number % 64);
    case 4:
        return o == NULL ? NULL : (void *)((uintptr_t)o->p + (number & 0xfffffff));
    case 5:
        return o == NULL ? NULL : (void *)((uintptr_t)o->p - (number & 0xfffffff));
    case 6:
        return in_data + number % sizeof in_data;
    default:
        return (void *)(uintptr_t)number;
    }
}

/* In the child: the fuzzer would report its end as a finding. */
static _Noreturn void die_by_misuse(unsigned call, void *p, int line) {
    static const int fatal[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++)
        signal(fatal[i], SIG_DFL);
    dup2(line, STDERR_FILENO);
    misuse(call, p);
    _exit(0);
}

static size_t read_all(int file, char *text, size_t size) {
    size_t used = 0;
    ssize_t got;
    while ((got = read(file, text + used, size - used)) != 0)
        if (got > 0)
            used += (size_t)got;
        else if (errno != EINTR)
            FUZZ_FAIL("read: %s", strerror(errno));
    return used;
}

static void require_diagnosis(unsigned call, void *p) {
    int ends[2], status;
    char line[1024];
    if (pipe(ends) != 0)
        FUZZ_FAIL("pipe: %s", strerror(errno));
    pid_t child = fork();
    if (child < 0)
        FUZZ_FAIL("fork: %s", strerror(errno));
    if (child == 0)
        die_by_misuse(call, p, ends[1]);
    close(ends[1]);
    size_t length = read_all(ends[0], line, sizeof line - 1);
    line[length] = '\0';
    close(ends[0]);
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            FUZZ_FAIL("waitpid: %s", strerror(errno));
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
        FUZZ_FAIL("%s(%p), no live object, ends with status %#x: %s", call_names[call], p, status, line);
    if (strncmp(line, "goalloc: ", 9) != 0 || strchr(line, '\n') != line + length - 1)
        FUZZ_FAIL("%s(%p), no live object, says '%s'", call_names[call], p, line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input first = {data, data + (size < 11 ? size : 11)}, in = {first.end, data + size};
    unsigned choice = (unsigned)input_bytes(&first, 1);
    model_run(&in);
    void *p = choose_address(choice / 4 % 8, &first);
    struct object *o = model_object_of(p);
    if (p != NULL && (o == NULL || o->p != p))
        require_diagnosis(choice % 4, p);
    model_finish();
    return 0;
}
