/* SPDX-License-Identifier: MIT */
#include "yaml.h"
#include "command.h"
#include "error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* The library explains itself in several lines; they become one. */
struct complaint {
    char text[1000];
};

static void collect(cyaml_log_t level, void *context, const char *format, va_list args) {
    (void)level;
    struct complaint *c = context;
    size_t used = strlen(c->text);
    if (used > 0 && used < sizeof c->text - 3)
        used += (size_t)snprintf(c->text + used, sizeof c->text - used, "; ");
    vsnprintf(c->text + used, sizeof c->text - used, format, args);
    for (char *at = c->text; *at != '\0'; at++)
        if (*at == '\n')
            *at = ' ';
    for (size_t n = strlen(c->text); n > 0 && c->text[n - 1] == ' '; n--)
        c->text[n - 1] = '\0';
}

void *yaml_load(const char *where, const char *what, const char *hint, const char *text,
                const cyaml_schema_value_t *schema) {
    struct complaint complaint = {""};
    cyaml_config_t config = {.log_level = CYAML_LOG_WARNING,
                             .log_fn = collect,
                             .log_ctx = &complaint,
                             .mem_fn = cyaml_mem,
                             .flags = CYAML_CFG_DEFAULT};
    cyaml_data_t *loaded = NULL;
    cyaml_err_t err = cyaml_load_data((const uint8_t *)text, strlen(text), &config, schema, &loaded, NULL);
    if (err == CYAML_OK)
        return loaded;
    lab_error(LAB_USAGE, "%s is not a %s: %s (%s); %s", where, what, complaint.text, cyaml_strerror(err), hint);
    return NULL;
}
