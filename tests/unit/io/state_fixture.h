/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_UNIT_IO_STATE_FIXTURE_H
#define STINT_TESTS_UNIT_IO_STATE_FIXTURE_H

/* A state, what is in it as one text, and what a master that takes over would find. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/text.h"
#include "supervisor/io/state_internal.h"
#include "tests/unit/io/process.h"
#include "tests/unit/unit.h"

static struct state *st;
static struct error error;

static inline void
setup(void)
{
    ck_assert_msg(state_create(&st, &error) == 0, "%s", error.text);
}

static inline void
teardown(void)
{
    state_destroy(st);
}

static inline void
put_text(enum state_kind kind, uint64_t key, const char *text)
{
    state_put(st, kind, key, text, strlen(text));
}

/* commit - and settle, as a master with a keeper does. Return: as state_commit(). */
static inline int
commit(void)
{
    int r = state_commit(st, &error);

    if (r == 1)
        state_settle(st, true);
    ck_assert_msg(r >= 0, "%s", error.text);
    return r;
}

struct content {
    struct text text; /* "KIND.KEY=BYTES " …, by kind and key */
    unsigned kind;
    uint64_t last;
    bool any;
};

static inline int
content_add(void *env, uint64_t key, const void *bytes, size_t n)
{
    struct content *c = env;

    ck_assert(!c->any || key > c->last); /* ascending */
    c->last = key;
    c->any = true;
    text_addf(&c->text, "%u.%" PRIu64 "=", c->kind, key);
    text_addn(&c->text, bytes, n);
    text_add(&c->text, " ");
    return 0;
}

/* content - all of it; owned by the caller. */
static inline char *
content(const struct state *of)
{
    struct content c = {.text = TEXT_INIT};

    for (c.kind = STATE_NOTHING; c.kind < STATE_KIND_COUNT; c.kind++) {
        c.any = false;
        ck_assert_int_eq(state_each(of, (enum state_kind)c.kind, content_add, &c), 0);
    }
    return text_steal(&c.text);
}

static inline void
is_content(const struct state *of, const char *want)
{
    char *is = content(of);

    ck_assert_str_eq(is, want);
    free(is);
}

/* as_bytes - the file @fd as it is; owned by the caller. */
static inline char *
as_bytes(int fd, size_t *ret_n)
{
    struct stat status;
    char *bytes;

    ck_assert_int_eq(fstat(fd, &status), 0);
    *ret_n = (size_t)status.st_size;
    bytes = malloc(*ret_n + 1);
    ck_assert_ptr_nonnull(bytes);
    ck_assert_int_eq(pread(fd, bytes, *ret_n, 0), status.st_size);
    return bytes;
}

/* file_of - a memfd with these bytes. */
static inline int
file_of(const char *bytes, size_t n)
{
    int fd = memfd_create("state", MFD_CLOEXEC);

    ck_assert_int_ge(fd, 0);
    for (size_t done = 0; done < n;) {
        ssize_t part = write(fd, bytes + done, n - done);

        ck_assert_int_gt(part, 0);
        done += (size_t)part;
    }
    return fd;
}

/* adopt_bytes - Return: what a master finds in them, or NULL: it refuses. */
static inline struct state *
adopt_bytes(const char *bytes, size_t n)
{
    struct state *found = NULL;
    int fd = file_of(bytes, n);

    if (state_adopt(fd, &found, &error) < 0)
        (void)close(fd);
    return found;
}

/* found_is - a master that takes over now finds just what we have. */
static inline void
found_is(const struct state *of)
{
    char *want = content(of);
    size_t n;
    char *bytes = as_bytes(state_fd(of), &n);
    struct state *found = adopt_bytes(bytes, n);

    ck_assert_msg(found != NULL, "%s", error.text);
    is_content(found, want);
    ck_assert_uint_eq(state_bytes(found), state_bytes(of));
    ck_assert_uint_eq(state_live_bytes(found), state_live_bytes(of));
    state_destroy(found);
    free(bytes);
    free(want);
}

#endif
