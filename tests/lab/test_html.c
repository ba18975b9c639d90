/* SPDX-License-Identifier: MIT
 *
 * The report's drawings: no two subjects of a run look alike, and every name is there in full.
 */
#include "error.h"
#include "report/html.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SUBJECTS = 91, SHAPES = 13 };

static struct run many_subjects(void) {
    struct run r = {.subject_count = SUBJECTS, .subjects = lab_alloc(SUBJECTS * sizeof *r.subjects)};
    for (size_t i = 0; i < SUBJECTS; i++)
        r.subjects[i] = lab_printf("manual-tiny-list|run=%zu", i);
    return r;
}

static void forget(struct run *r) {
    for (size_t i = 0; i < SUBJECTS; i++)
        free(r->subjects[i]);
    free(r->subjects);
}

static void no_two_subjects_look_alike(void **state) {
    (void)state;
    struct run r = many_subjects();
    for (size_t i = 0; i < SUBJECTS; i++) {
        struct html_style a = html_style(&r, r.subjects[i]);
        for (size_t k = i + 1; k < SUBJECTS; k++) {
            struct html_style b = html_style(&r, r.subjects[k]);
            if (a.marker == b.marker && strcmp(a.colour, b.colour) == 0)
                fail_msg("subjects %zu and %zu are both drawn as %d in %s", i, k, a.marker, a.colour);
            if (a.marker == b.marker && k - i < SHAPES)
                fail_msg("subjects %zu and %zu differ by colour only", i, k);
        }
    }
    forget(&r);
}

/* What two dichromats and a reader of a grey print see of two colours must differ: relative luminance, and for colours
 * of like luminance the blue-yellow axis, which both kinds of red-green blindness keep. */
static void colours_of_one_shape_differ_without_red_and_green(void **state) {
    (void)state;
    struct run r = many_subjects();
    for (size_t i = 0; i + SHAPES < SUBJECTS; i++) {
        double luminance[2], yellow[2];
        for (int which = 0; which < 2; which++) {
            unsigned red, green, blue;
            const char *colour = html_style(&r, r.subjects[i + (size_t)which * SHAPES]).colour;
            assert_int_equal(sscanf(colour, "#%2x%2x%2x", &red, &green, &blue), 3);
            luminance[which] = (0.2126 * red + 0.7152 * green + 0.0722 * blue) / 255;
            yellow[which] = (0.5 * (red + green) - blue) / 255;
        }
        double by_luminance = luminance[0] - luminance[1], by_yellow = yellow[0] - yellow[1];
        if (by_luminance * by_luminance + by_yellow * by_yellow < 0.04)
            fail_msg("subjects %zu and %zu: %s and %s are too near", i, i + SHAPES,
                     html_style(&r, r.subjects[i]).colour, html_style(&r, r.subjects[i + SHAPES]).colour);
    }
    forget(&r);
}

static void legend_names_every_subject(void **state) {
    (void)state;
    struct run r = many_subjects();
    char *page = NULL;
    size_t size;
    FILE *out = open_memstream(&page, &size);
    html_legend(&r, out);
    fclose(out);
    if (strstr(page, "<svg") == NULL)
        skip(); /* no gnuplot here */
    for (size_t i = 0; i < SUBJECTS; i++) {
        char *name = lab_printf(">%s</", r.subjects[i]);
        if (strstr(page, name) == NULL)
            fail_msg("the legend does not show %s", r.subjects[i]);
        free(name);
    }
    forget(&r);
    free(page);
}

static void quoted_text_is_taken_literally(void **state) {
    (void)state;
    char *page = NULL;
    size_t size;
    FILE *out = open_memstream(&page, &size);
    html_quoted(out, "it's `id` \"x\"\n\\");
    fclose(out);
    assert_string_equal(page, "'it''s `id` \"x\" \\'");
    free(page);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_two_subjects_look_alike),
        cmocka_unit_test(colours_of_one_shape_differ_without_red_and_green),
        cmocka_unit_test(legend_names_every_subject),
        cmocka_unit_test(quoted_text_is_taken_literally),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
