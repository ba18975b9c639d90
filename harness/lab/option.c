/* SPDX-License-Identifier: MIT */
#include "option.h"
#include "command.h"
#include "error.h"
#include "text.h"

#include <popt.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_OPTIONS = 30, TEXT_MAX_BYTES = 100000 };

static char *option_allowed(const struct option_row *o) {
    unsigned long long least = o->least, most = o->most;
    switch (o->type) {
    case OPTION_LIST:
        return lab_strdup("names separated by commas, none of them empty");
    case OPTION_WHOLE:
        return lab_printf("a whole number from %llu to %llu", least, most);
    case OPTION_WHOLES:
        return lab_printf("whole numbers from %llu to %llu, separated by commas", least, most);
    case OPTION_DURATION:
        return lab_printf("a time: write 90s, 30m or 2h; at most %dh", OPTION_MAX_BUDGET_HOURS);
    default:
        return lab_strdup("a text that is not empty");
    }
}

/* Each part between commas, the empty ones too. */
static bool parts_are(const struct option_row *o, const char *list) {
    for (;; list++) {
        size_t n = strcspn(list, ",");
        char *part = lab_printf("%.*s", (int)n, list);
        uint64_t whole;
        bool good = n > 0;
        if (o->type == OPTION_WHOLES)
            good = field_whole(part, o->least, o->most, &whole);
        free(part);
        if (!good)
            return false;
        list += n;
        if (*list == '\0')
            return true;
    }
}

static bool take(const struct option_row *o, char *value) {
    double seconds;
    switch (o->type) {
    case OPTION_WHOLE:
        return field_whole(value, o->least, o->most, o->into);
    case OPTION_DURATION:
        seconds = text_parse_duration(value);
        *(double *)o->into = seconds;
        return seconds > 0 && seconds <= OPTION_MAX_BUDGET_HOURS * 3600.0;
    case OPTION_LIST:
    case OPTION_WHOLES:
        *(char **)o->into = value;
        return parts_are(o, value);
    case OPTION_EMPTY_IS_NONE:
        if (value[0] != '\0')
            *(char **)o->into = value;
        return true;
    default:
        *(char **)o->into = value;
        return value[0] != '\0';
    }
}

static int take_option(const struct option_row *o, const char *command, char *value, bool again) {
    if (again)
        return lab_error(LAB_USAGE, "--%s is given twice: give it once", o->name);
    if (o->type == OPTION_FLAG)
        return *(int *)o->into = 1, LAB_OK;
    if (value != NULL && strlen(value) <= TEXT_MAX_BYTES && take(o, value))
        return LAB_OK;
    char *allowed = option_allowed(o);
    lab_error(LAB_USAGE, "--%s is '%.200s'%s: it must be %s (spanlab %s --help)", o->name, value != NULL ? value : "",
              value != NULL && strlen(value) > 200 ? " and so on" : "", allowed, command);
    free(allowed);
    return LAB_USAGE;
}

static int take_options(poptContext context, const struct option_row *table, const char *command) {
    bool seen[MAX_OPTIONS] = {false};
    int found, code = LAB_OK;
    while (code == LAB_OK && (found = poptGetNextOpt(context)) > 0) {
        code = take_option(&table[found - 1], command, poptGetOptArg(context), seen[found - 1]);
        seen[found - 1] = true;
    }
    if (code == LAB_OK && found < -1)
        return lab_error(LAB_USAGE, "%s: %s (spanlab %s --help)", poptBadOption(context, POPT_BADOPTION_NOALIAS),
                         poptStrerror(found), command);
    return code;
}

int options_read(int argc, const char **argv, const char *synopsis, const struct option_row *table, size_t rest_most,
                 const char ***rest) {
    static const char *none[] = {NULL};
    struct poptOption popt[MAX_OPTIONS + 2];
    int n = 0;
    for (; table[n].name != NULL && n < MAX_OPTIONS; n++)
        popt[n] = (struct poptOption){table[n].name,
                                      table[n].letter,
                                      table[n].type == OPTION_FLAG ? POPT_ARG_NONE : POPT_ARG_STRING,
                                      NULL,
                                      n + 1,
                                      table[n].summary,
                                      table[n].value};
    popt[n] = (struct poptOption){NULL, '\0', POPT_ARG_INCLUDE_TABLE, poptHelpOptions, 0, "Help options:", NULL};
    popt[n + 1] = (struct poptOption)POPT_TABLEEND;
    /* Kept: what is no option points into it. */
    poptContext context = poptGetContext("spanlab", argc, argv, popt, 0);
    poptSetOtherOptionHelp(context, synopsis);
    int code = take_options(context, table, argv[0]);
    const char **left = code == LAB_OK ? poptGetArgs(context) : NULL;
    *rest = left != NULL ? left : none;
    size_t count = 0;
    while ((*rest)[count] != NULL)
        count++;
    if (count > rest_most)
        return lab_error(LAB_USAGE, "'%s' is not an option: spanlab %s --help lists them", (*rest)[rest_most], argv[0]);
    return code;
}
