/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/probe/overruns.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/plain.h"

#define ROWS_MAX 128 /* of a table, whatever its header says */
#define TRIES    3   /* for a row that is just being written */

/* ---- Live ones ---------------------------------------------------------------------------------- */

/* Nobody holds it against a thread that it was allowed to go on. */
static bool
is_over(uint32_t state, uint16_t flags, int64_t deadline_us, int64_t shield_us, int64_t exempt_us,
        int64_t at_us)
{
    return state == STINT_SLOT_LIVE && deadline_us > 0 && deadline_us < at_us &&
           shield_us < at_us && !((flags & STINT_SLOT_EXEMPT) && exempt_us >= at_us);
}

int
overruns_look(int fd, struct registry_copy *copy, int64_t now_us, int64_t tolerance_us,
              unsigned *ret_live, uint64_t *ret_total)
{
    int r = registry_copy_take(fd, copy, NULL);
    unsigned live = 0;

    if (r < 0)
        return r;
    for (uint32_t i = 0; i < copy->header.slots.used; i++) {
        struct stint_registry_slot s;

        memcpy(&s, copy->slots + (size_t)i * copy->header.slots.stride, sizeof(s));
        live +=
            copy->after[i] % 2 == 0 && is_over(s.state, s.flags, s.deadline_us, s.shield_until_us,
                                               s.exempt_until_us, now_us - tolerance_us);
    }
    *ret_live = live;
    *ret_total = copy->header.overrun;
    return 0;
}

bool
overruns_any(int fd)
{
    struct stint_registry_header h;

    return pread(fd, &h, sizeof(h), 0) == sizeof(h) && h.magic == STINT_REGISTRY_MAGIC &&
           h.major == STINT_REGISTRY_MAJOR && (h.overrun > 0 || h.callers.used > 0);
}

static const char *
base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static void
say_creator(char *out, size_t size, const char *file, unsigned line, const char *function,
            const char *by)
{
    int n = 0;

    if (file[0])
        n = snprintf(out, size, "%.60s:%u%s%.48s", base_name(file), line, function[0] ? " in " : "",
                     function);
    if (by[0] && n >= 0 && (size_t)n < size)
        (void)snprintf(out + n, size - (size_t)n, "%sby %.40s", n > 0 ? " " : "", by);
}

static void
add_live(struct overruns *o, const struct registry_view *v, int64_t now_us, int64_t tolerance_us)
{
    for (size_t i = 0; i < v->n; i++) {
        const struct claim *c = &v->threads[i].claim;
        struct overrun *to = &o->of[o->n];

        if (!is_over(STINT_SLOT_LIVE, c->exempt ? STINT_SLOT_EXEMPT : 0, c->deadline_us,
                     c->shield_until_us, c->exempt_until_us, now_us - tolerance_us))
            continue;
        *to = (struct overrun){.live = true, .tid = v->threads[i].tid, .count = 1};
        to->over_us = to->most_us = now_us - c->deadline_us;
        to->since_us = c->deadline_us;
        to->last_us = now_us;
        (void)snprintf(to->thread, sizeof(to->thread), "%s", c->name);
        (void)snprintf(to->task, sizeof(to->task), "%s", c->token);
        (void)snprintf(to->scope, sizeof(to->scope), "%s", c->scope);
        (void)snprintf(to->trace_id, sizeof(to->trace_id), "%s", c->trace_id);
        say_creator(to->creator, sizeof(to->creator), c->creator_file, c->creator_line,
                    c->creator_function, c->creator_name);
        o->n++;
    }
    o->n_live = o->n;
}

/* ---- Tables of minor 1 ------------------------------------------------------------------------- */

/* Rows that are there and lie within the file; 0 for an older registry, and for one that makes no sense. */
static uint32_t
rows_of(int fd, const struct stint_registry_table *t, size_t least)
{
    const uint32_t used = t->used < t->count ? t->used : t->count;
    struct stat st;

    if (used == 0 || used > ROWS_MAX || t->stride < least || t->stride > 4096 ||
        t->offset % 8 != 0 || fstat(fd, &st) == -1 ||
        (uint64_t)t->offset + (uint64_t)t->count * t->stride > (uint64_t)st.st_size)
        return 0;
    return used;
}

static bool
read_row(int fd, const struct stint_registry_table *t, uint32_t i, void *row, size_t bytes)
{
    return pread(fd, row, bytes, (off_t)(t->offset + (uint64_t)i * t->stride)) == (ssize_t)bytes;
}

/* Whole: `seq` is even, and the same before and after. */
static bool
read_overrun(int fd, const struct stint_registry_table *t, uint32_t i,
             struct stint_registry_overrun *ret)
{
    uint32_t now;

    for (int tries = 0; tries < TRIES; tries++)
        if (read_row(fd, t, i, ret, sizeof(*ret)) && read_row(fd, t, i, &now, sizeof(now)) &&
            now % 2 == 0 && now == ret->seq)
            return ret->count > 0;
    return false;
}

static void
plain(char *to, size_t room, const char *from, size_t size)
{
    size_t n = strnlen(from, size < room ? size : room - 1);

    memcpy(to, from, n);
    memset(to + n, 0, room - n);
    to[room - 1] = '\0';
    plain_text(to);
}

#define PLAIN(to, from) plain((to), sizeof(to), (from), sizeof(from))

static void
add_creator(struct overrun *o, const struct registry_copy *copy,
            const struct stint_registry_overrun *row)
{
    const struct stint_registry_table *t = &copy->header.sites;
    struct stint_registry_site site = {.line = 0};
    char file[97] = "", function[65] = "", by[33];

    if (row->birth_site > 0 && row->birth_site <= t->used)
        memcpy(&site, copy->sites + (size_t)(row->birth_site - 1) * t->stride, sizeof(site));
    PLAIN(file, site.file);
    PLAIN(function, site.function);
    PLAIN(by, row->creator_name);
    say_creator(o->creator, sizeof(o->creator), file, site.line, function, by);
}

/* The row has the name of its scope alone; the path of one of that name, as long as there is one. */
static void
add_path(struct overrun *o, const struct registry_view *v)
{
    for (size_t i = 0; i < v->n_scopes; i++) {
        const char *path = v->scopes[i].path, *last = base_name(path);

        if (strcmp(last, o->scope) == 0) {
            (void)snprintf(o->scope, sizeof(o->scope), "%s", path);
            return;
        }
    }
}

static void
add_ended(struct overruns *o, int fd, const struct registry_copy *copy,
          const struct registry_view *v)
{
    const struct stint_registry_table *t = &copy->header.overruns;
    const uint32_t n = rows_of(fd, t, sizeof(struct stint_registry_overrun));

    for (uint32_t i = 0; i < n; i++) {
        struct stint_registry_overrun row;
        struct overrun *to = &o->of[o->n];

        if (!read_overrun(fd, t, i, &row))
            continue;
        *to = (struct overrun){.count = row.count,
                               .tid = row.tid > INT32_MAX ? 0 : (pid_t)row.tid,
                               .over_us = row.over_us < 0 ? 0 : row.over_us,
                               .most_us = row.most_us < 0 ? 0 : row.most_us,
                               .last_us = row.last_us > INT64_MAX ? 0 : (int64_t)row.last_us};
        PLAIN(to->thread, row.thread);
        PLAIN(to->task, row.task);
        PLAIN(to->scope, row.scope);
        for (size_t b = 0; b < sizeof(row.trace_id); b++)
            (void)snprintf(to->trace_id + 2 * b, 3, "%02x", row.trace_id[b]);
        if (strspn(to->trace_id, "0") == 32)
            to->trace_id[0] = '\0';
        add_creator(to, copy, &row);
        add_path(to, v);
        o->n++;
    }
}

static void
add_callers(struct overruns *o, int fd, const struct registry_copy *copy)
{
    const struct stint_registry_table *t = &copy->header.callers;
    const uint32_t n = rows_of(fd, t, sizeof(struct stint_registry_caller));

    for (uint32_t i = 0; i < n; i++) {
        struct stint_registry_caller row;
        struct overrun_caller *to = &o->callers[o->n_callers];

        if (!read_row(fd, t, i, &row, sizeof(row)))
            continue;
        *to = (struct overrun_caller){.calls = row.calls,
                                      .without = row.without,
                                      .malformed = row.malformed,
                                      .expired = row.expired,
                                      .cut = row.cut,
                                      .overruns = row.overruns,
                                      .least_us = row.least_us < 0 ? 0 : row.least_us,
                                      .most_us = row.most_us < 0 ? 0 : row.most_us};
        PLAIN(to->name, row.name);
        o->n_callers++;
    }
}

int
overruns_read(int fd, int64_t now_us, int64_t tolerance_us, struct overruns *ret,
              struct error *reterr)
{
    struct registry_copy copy = {0};
    struct registry_view view = {0};
    struct overruns o = {0};
    int r = registry_copy_take(fd, &copy, reterr);

    if (r == 0)
        r = registry_parse(&copy, &view, reterr);
    if (r < 0) {
        registry_copy_finish(&copy);
        return r;
    }
    o.total = copy.header.overrun;
    o.unseen_callers = copy.header.overflow_callers;
    o.of = calloc(view.n + ROWS_MAX + 1, sizeof(*o.of));
    o.callers = calloc(ROWS_MAX + 1, sizeof(*o.callers));
    if (o.of && o.callers) {
        add_live(&o, &view, now_us, tolerance_us);
        add_ended(&o, fd, &copy, &view);
        add_callers(&o, fd, &copy);
    } else {
        r = error_set(reterr, -ENOMEM, "read who is past a deadline");
        overruns_finish(&o);
    }
    registry_view_finish(&view);
    registry_copy_finish(&copy);
    if (r == 0)
        *ret = o;
    return r;
}

void
overruns_finish(struct overruns *o)
{
    free(o->of);
    free(o->callers);
    *o = (struct overruns){0};
}
