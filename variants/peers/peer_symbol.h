/* SPDX-License-Identifier: MIT
 *
 * peer_symbol.h: how a peer's file finds its library's own functions; no allocator is linked.
 */
#ifndef SPANLAB_PEER_SYMBOL_H
#define SPANLAB_PEER_SYMBOL_H

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

/* The function of this name as a function pointer, NULL when no loaded object has it. */
static inline void (*peer_symbol(const char *name))(void) {
    void *object = dlsym(RTLD_DEFAULT, name);
    void (*function)(void);
    memcpy(&function, &object, sizeof function); /* POSIX: the two have one representation */
    return function;
}

/* PEER_CALL(int, "mi_version", (void)) is the function or NULL. */
#define PEER_CALL(result, name, parameters) ((result(*) parameters)peer_symbol(name))

#endif
