#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# gcc: a generated C file of 5,000 lines; the object files must be identical byte for byte.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need gcc
awk 'BEGIN {
    print "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\nstruct node { struct node *next; long v[4]; };"
    for (i = 0; i < 385; i++) {
        printf "static long work_%d(struct node *n, long a, unsigned b) {\n", i
        printf "    long sum = a * %d + (long)(b >> %d);\n    char text[%d];\n", i * 7 + 3, i % 13, 40 + i % 60
        printf "    snprintf(text, sizeof text, \"%%ld in %d\", sum);\n", i
        printf "    for (struct node *p = n; p != NULL; p = p->next)\n        for (int k = 0; k < 4; k++)\n"
        printf "            sum += p->v[k] %s (a ^ %d);\n", substr("+-*&|", i % 5 + 1, 1), i * 31
        printf "    switch (sum & 7) {\n    case 0: return sum %% %d;\n", i + 2
        printf "    case %d: return %s;\n", 1 + i % 7, i ? "work_" i - 1 "(n, sum, b / 2)" : "1"
        printf "    default: return sum + (long)strlen(text);\n    }\n}\n"
    }
}' >"$work/generated.c"
cat >>"$work/generated.c" <<'END'
int main(int argc, char **argv) {
    struct node last = {NULL, {1, 2, 3, argc}}, first = {&last, {4, 5, 6, 7}};
    return (int)(work_384(&first, (long)atoi(argv[0]), 77) & 1);
}
END
lines=$(wc -l <"$work/generated.c")
((lines >= 5000)) || { echo "FAILED: the generated file has only $lines lines"; exit 1; }
uses_library gcc -O0 -c -o generated.o "$work/generated.c"
# The folder has another name in each run, and what it holds without the library may be of an earlier one.
same gcc -O2 -g -Wall "-ffile-prefix-map=$work=." -c -o generated.o "$work/generated.c"
