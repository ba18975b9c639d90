/* SPDX-License-Identifier: MIT */
#include "probe.h"
#include "error.h"
#include "launch.h"

#include <stdio.h>
#include <stdlib.h>

/* Appends a word to a shell line. */
static char *with_word(char *line, char *word) {
    char *quoted = text_shell_quote(word), *longer = lab_printf("%s %s", line, quoted);
    free(quoted);
    free(word);
    free(line);
    return longer;
}

json_t *probe_subject(const struct catalog_subject *s, const char *knobs) {
    struct text_list variables = launch_subject_variables(s, knobs);
    char *line = lab_strdup("env -u LD_PRELOAD");
    for (size_t i = 0; i < variables.count; i++)
        line = with_word(line, lab_strdup(variables.items[i]));
    line = with_word(line, lab_strdup(s->program));
    line = with_word(line, lab_printf("--spanlab-expect=%s", s->name));
    if (s->library != NULL)
        line = with_word(line, lab_printf("--spanlab-library=%s", s->library));
    if (knobs[0] != '\0')
        line = with_word(line, lab_printf("--spanlab-knobs=%s", knobs));
    char *full = lab_printf("%s --spanlab-workload=null --spanlab-smoke --spanlab-warmup=0 --spanlab-iterations=1 "
                            "2>/dev/null",
                            line);
    FILE *pipe = popen(full, "re");
    json_t *record = pipe == NULL ? NULL : json_loadf(pipe, 0, NULL);
    if (pipe != NULL)
        pclose(pipe);
    free(full);
    free(line);
    text_list_free(&variables);
    return record;
}
