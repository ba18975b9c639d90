# SPDX-License-Identifier: MIT
#
# arrows.awk: checks the shape of the sources named on standard input (paths relative to the tree's root,
# one per line; run in that root). Prints one line per violation, "path:line: what is wrong", and exits 1 if any.
#
#   arrows     which folder may include which (table below); outside libraries only where the table says so
#   layers     inside variants/goalloc a file includes only its own layer and those before it
#   length     a file has at most 800 lines, a function 80, unless the comment before it holds "long: reason"
#   axes       no conditional compilation on AXIS_ names, except guards (#error follows) and "layout: reason" on the line
#   pipes      in a shell script with pipefail no pipe ends in a reader that may stop early: its writer then dies of
#              SIGPIPE, at times, and the script with it (exit 141)

BEGIN {
    # folder -> folders it may include from besides itself; "any" in outside: system libraries beyond libc
    may["workloads"] = "harness/bench/workload.h"
    may["variants/goalloc"] = ""
    may["variants/axes"] = "variants/goalloc"
    may["variants/peers"] = "variants/goalloc"
    may["harness/bench"] = "variants/peers"
    may["harness/lab"] = ""
    outside["harness/bench"] = outside["harness/lab"] = "any"
    outside["variants/peers"] = "^gc/" # a collector is linked, so its interface is compiled in

    layers = split("axes os meta arena page span place alloc gc rt observe", layer_names, " ")
    for (i = 1; i <= layers; i++)
        rank[layer_names[i]] = i

    # Written by the build into folders of their own; each belongs to a folder or layer.
    generated["span/sizeclasses.h"] = "variants/goalloc/span/sizeclasses.h"
    generated["matrices.inc"] = "harness/lab/matrices.inc"

    n = split("assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal stdalign " \
              "stdarg stdatomic stdbool stddef stdint stdio stdlib stdnoreturn string tgmath threads time uchar " \
              "wchar wctype alloca dirent dlfcn elf endian err error execinfo fcntl features fnmatch getopt glob " \
              "grp libgen link malloc mntent poll pthread pwd regex sched search semaphore spawn strings syscall " \
              "termios ucontext unistd wait cpuid immintrin x86intrin emmintrin arm_neon", names, " ")
    for (i = 1; i <= n; i++)
        libc[names[i] ".h"]
    n = split("cassert cstddef cstdint cstdio cstdlib cstring memory mutex new string thread vector", names, " ")
    for (i = 1; i <= n; i++)
        libc[names[i]] # the C++ side of libc, for the shim

    while ((getline path) > 0)
        exists[path]
    for (path in exists)
        check(path)
    exit bad
}

function report(path, line, what) {
    printf "%s:%d: %s\n", path, line, what
    bad = 1
}

function folder_of(path,    dir) {
    for (dir in may)
        if (index(path, dir "/") == 1)
            return dir
    return ""
}

function layer_of(path,    part) {
    # variants/goalloc/LAYER/...; a file of the root is its own layer if listed, else it stands on top of all
    split(path, part, "/")
    sub(/\.[ch]$/, "", part[3])
    return part[3]
}

function rank_of(path,    layer) {
    if (path == "variants/goalloc/goalloc.h")
        return 0 # the public interface needs no layer, and every layer may see it
    layer = layer_of(path)
    return layer in rank ? rank[layer] : layers + 1
}

# The tree's file that `#include "name"` in path means, or "" when there is none.
function resolve(path, name,    dir, i, n, places, target) {
    if (name in generated)
        return generated[name]
    dir = path
    sub(/[^\/]*$/, "", dir)
    n = split(dir " variants/goalloc/ variants/axes/ variants/peers/ harness/bench/ harness/lab/ workloads/", places, " ")
    for (i = 1; i <= n; i++) {
        target = places[i] name
        while (sub(/[^\/.]+\/\.\.\//, "", target))
            continue
        if (target in exists)
            return target
    }
    return ""
}

function allowed(from, target,    to, list, n, i) {
    to = folder_of(target)
    if (to == from)
        return from != "workloads" # one file each: a workload has no neighbours
    n = split(may[from], list, " ")
    for (i = 1; i <= n; i++)
        if (target == list[i] || to == list[i])
            return 1
    return 0
}

function check_quoted(path, line, name,    from, target) {
    from = folder_of(path)
    target = resolve(path, name)
    if (target == "")
        report(path, line, "\"" name "\" is no file of the tree; libraries are included with <>")
    else if (!allowed(from, target))
        report(path, line, from " may not include " target)
    else if (from == "variants/goalloc" && rank_of(target) > rank_of(path))
        report(path, line, "layer " layer_of(path) " may not include the later layer " layer_of(target))
}

function check_angled(path, line, name,    from) {
    from = folder_of(path)
    if (outside[from] == "any" || (outside[from] != "" && name ~ outside[from]) || name in libc || name ~ /^(sys|linux|asm|bits|gnu)\//)
        return
    report(path, line, from " depends on libc alone, not on <" name ">")
}

function check_include(path, line, text,    name) {
    name = text
    if (text ~ /^[ \t]*#[ \t]*include[ \t]*"/) {
        sub(/^[^"]*"/, "", name)
        sub(/".*/, "", name)
        check_quoted(path, line, name)
    } else if (text ~ /^[ \t]*#[ \t]*include[ \t]*</) {
        sub(/^[^<]*</, "", name)
        sub(/>.*/, "", name)
        check_angled(path, line, name)
    } # an include of a macro is the build's choice
}

function check_axes(path, line, text, following) {
    if (text ~ /^[ \t]*#[ \t]*(if|ifdef|ifndef|elif)[ \t(!].*AXIS_/ && following !~ /^[ \t]*#[ \t]*error/ &&
        text !~ /layout: [^ ]/)
        report(path, line, "conditional compilation on an axis; read its constant with an ordinary if")
}

# Blanks out comments, strings and character constants so that braces can be trusted; keeps in_comment across lines.
function code_of(text,    out, c, i, n) {
    out = ""
    n = length(text)
    for (i = 1; i <= n; i++) {
        c = substr(text, i, 1)
        if (in_comment) {
            if (substr(text, i, 2) == "*/") {
                in_comment = 0
                i++
            }
        } else if (substr(text, i, 2) == "/*") {
            in_comment = 1
            i++
        } else if (substr(text, i, 2) == "//") {
            break
        } else if (c == "\"" || c == "'") {
            for (i++; i <= n && substr(text, i, 1) != c; i++)
                if (substr(text, i, 1) == "\\")
                    i++
        } else
            out = out c
    }
    return out
}

# Functions are found by layout (the formatter's): a head at column 0 with "(" that ends in "{", a "}" at column 0.
function check_functions(path, lines, count,    i, code, head, start, excused, inside) {
    in_comment = head = excused = inside = 0
    head = ""
    for (i = 1; i <= count; i++) {
        code = code_of(lines[i])
        if (inside) {
            if (code ~ /^}/) {
                if (inside == 2 && i - start + 1 > 80 && !excused)
                    report(path, start, "function of " (i - start + 1) " lines; at most 80, or a note /* long: reason */")
                inside = excused = 0
                head = ""
            }
            continue
        }
        if (lines[i] ~ /long: [^ ]/)
            excused = 1
        if (code ~ /^[ \t]*#/ || code ~ /^(extern|namespace)[^(]*{[ \t]*$/ || code ~ /^}/)
            continue
        if (code !~ /^[ \t]*$/ && head == "")
            start = i
        head = head code
        if (code ~ /{[ \t]*$/) {
            # 2: a function; 1: a type or an initialiser
            inside = (head ~ /\(/ && head !~ /=/ && head !~ /^(typedef|enum)/ && head ~ /\)[^)]*{[ \t]*$/) ? 2 : 1
        } else if (code ~ /[;}][ \t]*$/) {
            head = ""
            excused = 0
        }
    }
}

# A reader that may stop before the end of its input. awk and sed can count instead, grep -m can read a file.
function check_pipes(path, lines, count,    i, text) {
    for (i = 1; i <= count; i++)
        if (lines[i] ~ /^[ \t]*(set .*pipefail|source .*\/common[.]sh)/)
            break
    for (i++; i <= count; i++) {
        text = lines[i]
        if (text ~ /^[ \t]*#/)
            continue
        if (lines[i - 1] ~ /\|[ \t]*(\\)?$/)
            text = "|" text
        if (text ~ /\|&?[ \t]*(head|grep[^|]*[ \t](-[a-zA-Z]*[qm]|--quiet|--max-count)|sed[^|]*[0-9;{ ]q)/ ||
            (text ~ /\|&?[ \t]*awk[^|]*[;{) ]exit/ && text !~ /END[ \t]*{/))
            report(path, i, "the reader of this pipe may stop early, and pipefail then fails the script by SIGPIPE")
    }
}

function check(path,    count, i, lines, excused) {
    count = excused = 0
    while ((getline lines[++count] < path) > 0)
        if (count <= 12 && lines[count] ~ /long file: [^ ]/)
            excused = 1
    close(path)
    count--
    if (count > 800 && !excused)
        report(path, 1, "file of " count " lines; at most 800, or a note /* long file: reason */ at its head")
    if (path !~ /\.(c|h|cc)$/) {
        check_pipes(path, lines, count)
        delete lines
        return
    }
    for (i = 1; i <= count; i++) {
        if (folder_of(path) == "")
            break
        check_include(path, i, lines[i])
        if (path !~ /^variants\/axes\//)
            check_axes(path, i, lines[i], lines[i + 1])
    }
    check_functions(path, lines, count)
    delete lines
}
