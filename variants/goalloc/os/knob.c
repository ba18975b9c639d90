/* SPDX-License-Identifier: MIT */
#include "os/knob.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Who starts a program that runs with another's rights (setuid, setgid, file capabilities) must not choose for it. */
static const char *knob_text(const char *variable) {
    return secure_getenv(variable);
}

static unsigned knob_choice(const char *variable, const char *const *choices, unsigned otherwise) {
    const char *value = knob_text(variable);
    if (value == NULL || value[0] == '\0')
        return otherwise;
    char allowed[128] = "";
    for (unsigned i = 0; choices[i] != NULL; i++) {
        if (strcmp(value, choices[i]) == 0)
            return i;
        size_t used = strlen(allowed);
        snprintf(allowed + used, sizeof allowed - used, "%s%s",
                 i == 0                   ? ""
                 : choices[i + 1] == NULL ? " or "
                                          : ", ",
                 choices[i]);
    }
    os_die("%s is '%.64s': set it to %s", variable, value, allowed);
}

/* The default is named first. */
static bool knob_switch(const char *variable, bool otherwise) {
    const char *const choices[] = {knob_switch_name(otherwise), knob_switch_name(!otherwise), NULL};
    return otherwise == (knob_choice(variable, choices, 0) == 0);
}

static const char *knob_switch_name(bool on) {
    return on ? "on" : "off";
}

static size_t knob_bytes(const char *variable, size_t least, size_t most, size_t step, size_t otherwise) {
    const char *value = knob_text(variable);
    if (value == NULL || value[0] == '\0')
        return otherwise;
    char *unit;
    unsigned long long number = strtoull(value, &unit, 10);
    unsigned shift = strcmp(unit, "KiB") == 0 ? 10 : strcmp(unit, "MiB") == 0 ? 20 : 0;
    bool known = shift != 0 || *unit == '\0' || strcmp(unit, "B") == 0;
    unsigned long long bytes = number << shift;
    if (value[0] < '0' || value[0] > '9' || !known || number > most || bytes < least || bytes > most ||
        bytes % step != 0)
        os_die(
            "%s is '%.64s': set it to a number of bytes from %zu to %zu that is a multiple of %zu (B, KiB or MiB may "
            "follow)",
            variable, value, least, most, step);
    return (size_t)bytes;
}
