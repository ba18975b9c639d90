/* SPDX-License-Identifier: MIT
 *
 * json-document.c: a JSON text is parsed into nodes and strings, walked, and written again; the last few documents
 * stay.
 */
#include "workload.h"

#include <string.h>

enum { KIDS_MAX = 8, FIRST_OUTPUT_BYTES = 64, SPARE_TEXT_BYTES = 1 << 16 };

static const struct workload_param params[] = {
    {"threads", 1, 1, "threads; each has documents of its own, parsed from one text"},
    {"text", 2048, 16, "KiB of JSON text, about"},
    {"live", 32, 1, "MiB in all parsed documents together that stay; at least one per thread does"},
    {"documents", 50, 8, "documents parsed and written by each thread"},
    {NULL, 0, 0, NULL},
};

enum kind { OBJECT, ARRAY, STRING, NUMBER };

/* A value with the key under which it lies, the next one beside it and the first one in it. */
struct value {
    uint64_t kind, number;
    struct value *next, *inside;
    uint8_t *key;
    uint64_t key_length;
    uint8_t *text;
    uint64_t text_length;
};

HEAP_TYPE(value_type, struct value,
          HEAP_POINTER(struct value, next) | HEAP_POINTER(struct value, inside) | HEAP_POINTER(struct value, key) |
              HEAP_POINTER(struct value, text));

struct json_document {
    unsigned threads;
    uint64_t documents, kept;
    char *text;
    uint64_t text_bytes, room_bytes;
    uint64_t parsed_bytes; /* in all objects of a document parsed from it */
    struct rng rng;
    struct bench *bench;
};

/* ---- the text: nested objects of a name, some numbers and an array of kids */

static void put(struct json_document *s, const char *what) {
    const uint64_t length = strlen(what);
    if (length > s->room_bytes - s->text_bytes)
        bench_fail(s->bench, "the text does not fit into %llu bytes", (unsigned long long)s->room_bytes);
    memcpy(s->text + s->text_bytes, what, length);
    s->text_bytes += length;
}

static void put_number(struct json_document *s, uint64_t number) {
    char digits[24], *at = digits + sizeof digits - 1;
    *at = '\0';
    do {
        *--at = (char)('0' + number % 10);
    } while ((number /= 10) != 0);
    put(s, at);
}

static void put_word(struct json_document *s) {
    const uint64_t draw = rng_next(&s->rng);
    char word[16] = {0};
    const uint64_t length = 3 + draw % 11;
    for (uint64_t i = 0; i < length; i++)
        word[i] = (char)('a' + (draw >> (4 + 4 * i)) % 26);
    s->parsed_bytes += length;
    put(s, "\"");
    put(s, word);
    put(s, "\"");
}

/* A node and as many kids as there is text left for; budget_bytes is shared out among them. */
static void put_node(struct json_document *s, uint64_t budget_bytes) {
    static const char *const scalars[] = {"touches", "min_t", "max_t", "mean_t", "cl_weight"};
    enum { SCALARS = sizeof scalars / sizeof *scalars };
    const uint64_t begin_bytes = s->text_bytes, kids = 1 + rng_next(&s->rng) % KIDS_MAX;
    s->parsed_bytes += (3 + SCALARS) * sizeof(struct value) + sizeof "name" - 1 + sizeof "kids" - 1;
    put(s, "{\"name\":");
    put_word(s);
    for (unsigned i = 0; i < SCALARS; i++) {
        put(s, ",\"");
        put(s, scalars[i]);
        s->parsed_bytes += strlen(scalars[i]);
        put(s, "\":");
        const uint64_t draw = rng_next(&s->rng);
        put_number(s, draw >> (8 + draw % 56));
    }
    put(s, ",\"kids\":[");
    for (uint64_t i = 0; i < kids && s->text_bytes < begin_bytes + budget_bytes; i++) {
        const uint64_t used_bytes = s->text_bytes - begin_bytes;
        put(s, i > 0 ? "," : "");
        put_node(s, (budget_bytes - used_bytes) / (kids - i));
    }
    put(s, "]}");
}

static void *json_document_setup(struct bench *b) {
    struct json_document *s = bench_scratch(b, sizeof *s);
    s->bench = b;
    s->threads = (unsigned)bench_param(b, "threads");
    s->documents = bench_param(b, "documents");
    const uint64_t budget_bytes = bench_param(b, "text") << 10;
    if (budget_bytes == 0 || budget_bytes > UINT64_C(1) << 32)
        bench_fail(b, "text is %llu KiB; json-document takes 1 to 4194304", (unsigned long long)budget_bytes >> 10);
    s->room_bytes = budget_bytes + SPARE_TEXT_BYTES;
    s->text = bench_scratch(b, s->room_bytes + 1); /* ended by a zero */
    rng_seed(&s->rng, bench_seed(b), 0);
    put_node(s, budget_bytes);
    s->kept = (bench_param(b, "live") << 20) / s->threads / s->parsed_bytes;
    if (s->kept == 0)
        s->kept = 1;
    return s;
}

/* ---- parsing: by recursion, a string or value at a time */

struct reader {
    struct bench_thread *t;
    const char *at;
};

static void *count(struct bench_thread *t, void *p, uint64_t size_bytes) {
    t->ops++;
    t->live_bytes += size_bytes;
    return bench_need(t, p, size_bytes);
}

static void drop_sized(struct bench_thread *t, void *p, uint64_t size_bytes) {
    t->live_bytes -= size_bytes;
    heap_drop(p);
}

static _Noreturn void malformed(const struct reader *r) {
    bench_fail(r->t->bench, "no JSON at '%.20s'", r->at);
}

static void expect(struct reader *r, char c) {
    if (*r->at != c)
        malformed(r);
    r->at++;
}

/* The text of a string without escapes, of which the generator makes none. */
static uint8_t *parse_string(struct reader *r, uint64_t *length) {
    expect(r, '"');
    const char *end = strchr(r->at, '"');
    if (end == NULL)
        malformed(r);
    *length = (uint64_t)(end - r->at);
    uint8_t *text = count(r->t, heap_bytes(*length, HEAP_RAW), *length);
    memcpy(text, r->at, *length);
    r->at = end + 1;
    return text;
}

static struct value *parse_value(struct reader *r);

/* The members of an object or the items of an array, up to the bracket that ends them. */
static void parse_inside(struct reader *r, struct value *outer, char end) {
    struct value *last = NULL;
    r->at++;
    while (*r->at != end) {
        uint8_t *key = NULL;
        uint64_t key_length = 0;
        if (last != NULL)
            expect(r, ',');
        if (outer->kind == OBJECT) {
            key = parse_string(r, &key_length);
            expect(r, ':');
        }
        struct value *value = parse_value(r);
        heap_store(&value->key, key);
        value->key_length = key_length;
        heap_store(last == NULL ? &outer->inside : &last->next, value);
        last = value;
    }
    r->at++;
}

static struct value *parse_value(struct reader *r) {
    struct value *value = count(r->t, heap_object(&value_type, HEAP_RAW), sizeof *value);
    if (!HEAP_TRACED) /* a traced object is born clear */
        *value = (struct value){0};
    if (*r->at == '{') {
        value->kind = OBJECT;
        parse_inside(r, value, '}');
    } else if (*r->at == '[') {
        value->kind = ARRAY;
        parse_inside(r, value, ']');
    } else if (*r->at == '"') {
        value->kind = STRING;
        heap_store(&value->text, parse_string(r, &value->text_length));
    } else {
        value->kind = NUMBER;
        if (*r->at < '0' || *r->at > '9')
            malformed(r);
        while (*r->at >= '0' && *r->at <= '9')
            value->number = value->number * 10 + (uint64_t)(*r->at++ - '0');
    }
    return value;
}

/* ---- walking, writing, dropping */

static uint64_t fold(const struct value *value) {
    uint64_t sum = 0;
    for (; value != NULL; value = value->next) {
        sum = sum * 31 + value->kind + value->number + value->key_length;
        if (value->text_length > 0)
            sum += (uint64_t)value->text[0] << 8 | value->text[value->text_length - 1];
        sum = sum * 31 + fold(value->inside);
    }
    return sum;
}

struct writer {
    struct bench_thread *t;
    char *output;
    uint64_t length, capacity;
};

static void write_text(struct writer *w, const void *text, uint64_t length) {
    while (length > w->capacity - w->length) { /* twice the room */
        char *bigger = count(w->t, heap_bytes(w->capacity * 2, HEAP_RAW), w->capacity * 2);
        memcpy(bigger, w->output, w->length);
        drop_sized(w->t, w->output, w->capacity);
        w->output = bigger;
        w->capacity *= 2;
    }
    memcpy(w->output + w->length, text, length);
    w->length += length;
}

static void write_string(struct writer *w, const uint8_t *text, uint64_t length) {
    write_text(w, "\"", 1);
    write_text(w, text, length);
    write_text(w, "\"", 1);
}

static void write_number(struct writer *w, uint64_t number) {
    char digits[20], *at = digits + sizeof digits;
    do {
        *--at = (char)('0' + number % 10);
    } while ((number /= 10) != 0);
    write_text(w, at, (uint64_t)(digits + sizeof digits - at));
}

static void write_value(struct writer *w, const struct value *value) {
    if (value->key != NULL) {
        write_string(w, value->key, value->key_length);
        write_text(w, ":", 1);
    }
    if (value->kind == STRING) {
        write_string(w, value->text, value->text_length);
    } else if (value->kind == NUMBER) {
        write_number(w, value->number);
    } else {
        write_text(w, value->kind == OBJECT ? "{" : "[", 1);
        for (const struct value *inner = value->inside; inner != NULL; inner = inner->next) {
            write_value(w, inner);
            if (inner->next != NULL)
                write_text(w, ",", 1);
        }
        write_text(w, value->kind == OBJECT ? "}" : "]", 1);
    }
}

static void drop_values(struct value *value) {
    while (value != NULL) {
        struct value *next = value->next;
        drop_values(value->inside);
        heap_drop(value->key);
        heap_drop(value->text);
        heap_drop(value);
        value = next;
    }
}

static void forget(struct bench_thread *t, const struct json_document *s, struct value *document) {
    t->live_bytes -= document != NULL ? s->parsed_bytes : 0;
    if (!HEAP_TRACED) /* a collected program does not walk what it forgets */
        drop_values(document);
}

static void write_back(struct bench_thread *t, const struct json_document *s, const struct value *document) {
    struct writer w = {t, count(t, heap_bytes(FIRST_OUTPUT_BYTES, HEAP_RAW), FIRST_OUTPUT_BYTES), 0,
                       FIRST_OUTPUT_BYTES};
    write_value(&w, document);
    if (w.length != s->text_bytes || memcmp(w.output, s->text, w.length) != 0)
        bench_fail(t->bench, "the text that was written is not the one that was read");
    t->checksum = bench_mix(t->checksum, w.length);
    drop_sized(t, w.output, w.capacity);
}

static void json_document_body(struct bench_thread *t, void *arg) {
    const struct json_document *s = arg;
    const uint64_t slots_bytes = s->kept * sizeof(void *);
    struct value **kept = count(t, heap_pointers(s->kept), slots_bytes);
    t->zero_bytes += slots_bytes;
    for (uint64_t i = 0; i < s->documents; i++) {
        struct value **slot = &kept[i % s->kept], *before = *slot;
        struct value *document = parse_value(&(struct reader){t, s->text});
        heap_store(slot, document);
        forget(t, s, before);
        bench_point(t);
        t->checksum = bench_mix(t->checksum, fold(document));
        write_back(t, s, document);
        bench_point(t);
    }
    for (uint64_t i = 0; i < s->kept; i++)
        forget(t, s, kept[i]);
    drop_sized(t, kept, slots_bytes);
}

static void json_document_run(struct bench *b, void *state) {
    struct json_document *s = state;
    bench_parallel(b, s->threads, json_document_body, s);
}

WORKLOAD(json_document) = {
    .name = "json-document",
    .summary = "a JSON text is parsed into nodes and strings, walked and written; the last documents stay",
    .op = "object allocated (value, string, output)",
    .models = "Servers that take and give JSON: a burst of small nodes and tiny strings per request, one buffer that "
              "doubles up "
              "to the size of the text, and all of it dead soon after.",
    .source =
        "After golang.org/x/benchmarks, json: a document of about 2 MB whose nodes have a name, kids and five scalars. "
        "Its "
        "text is not ours to ship: this one is generated (random names of 3 to 13 letters, whole numbers, 1 to 8 kids, "
        "no "
        "escapes), and parsed into values of 64 B with keys and texts of their own, by a parser of our own. What is "
        "written must be what was read.",
    .bad_for = "Allocators that round tiny strings up (half of all objects have 3 to 13 B) or pay per object; large "
               "buffers that "
               "are given back to the system and asked for again.",
    .params = params,
    .flavours = WORKLOAD_MANUAL | WORKLOAD_TRACED,
    .setup = json_document_setup,
    .run = json_document_run,
};
