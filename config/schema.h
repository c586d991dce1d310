/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_CONFIG_SCHEMA_H
#define STINT_CONFIG_SCHEMA_H

/*
 * Private to config/: the table of keys (schema.def) and the types its rows name. Reading, range
 * checks, defaults, canonical text, comparison, help and JSON Schema all walk this one table.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/spec.h"

struct node;
struct reader;
struct text;

/* A map with a fixed set of keys. */
enum object {
    OBJECT_CONFIG,
    OBJECT_LOG,
    OBJECT_SERVICE,
    OBJECT_LISTENER,
    OBJECT_READY,
    OBJECT_WATCH,
    OBJECT_CHECK,
    OBJECT_HOOKS,
    OBJECT_BEFORE_START,
    OBJECT_ANNOUNCE,
    OBJECT_RETIRED,
    OBJECT_LIMITS,
    OBJECT_LIMIT_PAIR,
    OBJECT_RESPAWN,
    OBJECT_BACKOFF,
    OBJECT_RESPAWN_LIMIT,
    OBJECT_SERVICE_LOG,
    OBJECT_RESTART_AFTER,
    OBJECT_TRACE,
    OBJECT_LEAK_BUDGET,
    OBJECT_DEADLINES,
    OBJECT_HANDOFF,
    OBJECT_PREFLIGHT,
    OBJECT_PREFLIGHT_LOAD,
    OBJECT_PROFILING,
    OBJECT_EXPORT,
    OBJECT_COUNT
};

struct type;

struct key {
    const char *name;
    const struct type *type;
    const char *fallback; /* the default, as it would be written; NULL = none */
    const char *help;     /* one line, no full stop */
    size_t offset;        /* of the member, in the struct that its map is read into */
    int64_t min, max;     /* in the type's unit */
    enum object object;   /* the map it stands in */
    enum reload_class reload;
    /*
     * What the type needs to know: the map within (enum object), the words of an enumeration
     * (enum words), a resource (RLIMIT_…), a readiness (enum ready_mode), or unix sockets only.
     */
    int arg;
};

/*
 * All handlers get the struct that the map is read into (service_spec, spec, listener_spec, …).
 * Handlers that are NULL have nothing to do: such keys belong to load.c.
 */
struct type {
    const char *about; /* "a duration such as 250ms": for findings and for help */
    bool nested;       /* a map whose keys live in the same struct: merged key by key */
    bool child;        /* key.arg is the object within */
    bool ranged;       /* key.min and key.max mean something */
    bool number;       /* written without quotes also in JSON */
    int (*parse)(struct reader *r, const struct key *k, const struct node *n, void *base);
    void (*write)(const struct key *k, const void *base, struct text *out);
    bool (*equal)(const struct key *k, const void *a, const void *b);
    void (*clear)(const struct key *k, void *base);                  /* frees; back to unset */
    bool (*absent)(const struct key *k, const void *base);           /* not set: not written */
    void (*range)(const struct key *k, int64_t v, struct text *out); /* a bound, for people */
    void (*schema)(const struct key *k, struct text *out); /* JSON Schema members, no braces */
    /* A map of both parts: the rest of its line in the launch part, or nothing. NULL: by key.reload. */
    void (*launch)(const struct key *k, const void *base, struct text *out);
    void (*words)(const struct key *k, struct text *out); /* all it may be, for people */
};

#define TYPE(name) extern const struct type type_##name;
#include "config/types.def"
#undef TYPE

extern const struct key schema_keys[];
extern const size_t schema_n;

/* NOLINTBEGIN(bugprone-macro-parentheses): a name that is declared takes none */
/* schema_for_each - the rows of one object, in order. */
#define schema_for_each(k, of)                                                                   \
    for (const struct key *k = schema_keys, *k##_end = schema_keys + schema_n; k < k##_end; k++) \
        if (k->object == (of))
/* NOLINTEND(bugprone-macro-parentheses) */

const char *object_name(enum object o);  /* "service", "listener": in the JSON Schema */
const char *object_place(enum object o); /* "a service", "a socket of 'listen'": in findings */
const struct key *schema_find(enum object o, const char *name); /* NULL: unknown */

static inline void *
key_member(const struct key *k, void *base)
{
    return (char *)base + k->offset;
}

static inline const void *
key_member_const(const struct key *k, const void *base)
{
    return (const char *)base + k->offset;
}

/* key_default - give one key its default, as if @at had been written with it. 0 or negative errno. */
int key_default(struct reader *r, const struct key *k, const struct node *at, void *base);

/* object_default - give each key its default, as if @at had been written with all of them. */
int object_default(struct reader *r, enum object o, const struct node *at, void *base);

/**
 * object_read - the keys of map @n into @base; what is not mentioned stays as it is.
 *
 * Return: 0, -EINVAL after findings (all of them, not just the first), -ENOMEM.
 */
int object_read(struct reader *r, enum object o, const struct node *n, void *base);

void object_clear(enum object o, void *base);
bool object_equal(enum object o, const void *a, const void *b);

/* object_write - "{key: value, …}" on one line, which object_read() reads back. */
void object_write(enum object o, const void *base, struct text *out);

/* write_string - @s as a YAML scalar that reads back as exactly @s. */
void write_string(const char *s, struct text *out);
void write_strings(const struct strv *v, struct text *out);

/* For handlers: the one text of a scalar; NULL after a finding that says what is wanted. */
const char *scalar_text(struct reader *r, const struct key *k, const struct node *n);
/* wrong_type - "'workers' wants a number, not a list". Return: -EINVAL. */
int wrong_type(struct reader *r, const struct key *k, const struct node *n);

/* path_join - @path made absolute by @directory, without "//" and "/./"; NULL: no memory. */
char *path_join(const char *directory, const char *path);

/* service_log_name - put the service's name in the place of "{service}" in its log.file. 0 or -ENOMEM. */
int service_log_name(struct service_spec *s);

/* service_resolve - make the paths that are relative to `directory` absolute. 0 or -ENOMEM. */
int service_resolve(struct service_spec *s);

#endif
