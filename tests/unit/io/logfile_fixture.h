/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_UNIT_IO_LOGFILE_FIXTURE_H
#define STINT_TESTS_UNIT_IO_LOGFILE_FIXTURE_H

/* One log file and its memory, in a directory of its own. The writer's calls, made here. */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/units.h"
#include "config/spec.h"
#include "supervisor/io/logfile.h"
#include "tests/unit/io/own_dir.h"

static struct logfile_memory memory;
static struct logfile file;
static struct text heard; /* words of the file, in order */

static inline void
on_say(void *env, enum logfile_word word, int error, const char *text)
{
    static const char *const names[] = {"failed", "works", "rotated", "trouble", "moved"};

    (void)env;
    text_addf(&heard, "%s", names[word]);
    if (error)
        text_addf(&heard, "(%s)", strerrorname_np(error));
    if (word == LOGFILE_ROTATED)
        ck_assert(logfile_is_stamp(strrchr(text, '.') - 15));
    text_add(&heard, " ");
}

static inline struct logfile_config
config_of(const char *name)
{
    struct logfile_config c = {.keep = 5, .mode = 0640, .service = "web"};

    (void)snprintf(c.path, sizeof(c.path), "%s", full(name));
    return c;
}

static inline void
open_file(const struct logfile_config *c)
{
    logfile_memory_configure(&memory, c);
    logfile_init(&file, &memory);
    file.say = on_say;
}

static inline void
begin(void)
{
    struct error why = {0};
    struct logfile_config c;

    own_dir_enter();
    c = config_of("web.log");
    ck_assert_msg(logfile_memory_create(&memory, LOGFILE_ROOM_MIN, &why) == 0, "%s", why.text);
    open_file(&c);
}

static inline void
end(void)
{
    logfile_finish(&file);
    logfile_memory_close(&memory);
    text_finish(&heard);
    own_dir_leave();
}

static inline void
say_line(const char *bytes, size_t n)
{
    const struct iovec part = {(void *)(uintptr_t)bytes, n};

    ck_assert_uint_ge(logfile_memory_free(&memory), n);
    (void)logfile_memory_put(&memory, &part, 1);
}

static inline void
say_text(const char *text)
{
    say_line(text, strlen(text));
}

static inline enum logfile_step
step_until_it_stops(void)
{
    enum logfile_step step;

    while ((step = logfile_step(&file)) == LOGFILE_MORE)
        ;
    return step;
}

static inline void
write_text(const char *text)
{
    say_text(text);
    ck_assert_int_eq(step_until_it_stops(), LOGFILE_EMPTY);
}

static inline int
by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Rotated ones of @name, oldest first. */
static inline void
find_old(const char *name, struct strv *ret)
{
    DIR *dir = opendir(".");
    const struct dirent *e;

    ck_assert_ptr_nonnull(dir);
    while ((e = readdir(dir)) != NULL)
        if (strncmp(e->d_name, name, strlen(name)) == 0 && e->d_name[strlen(name)] == '.')
            ck_assert_int_eq(strv_add(ret, e->d_name), 0);
    (void)closedir(dir);
    if (ret->n > 1)
        qsort(ret->items, ret->n, sizeof(*ret->items), by_name);
}

static inline void
add_content(struct text *out, const char *name)
{
    struct error why = {0};
    auto_free char *data = NULL;
    size_t n;

    ck_assert_msg(file_read(name, 1 << 30, &data, &n, &why) == 0, "%s", why.text);
    text_addn(out, data, n);
}

static inline void
assert_content(const char *name, const char *want)
{
    auto_text struct text is = TEXT_INIT;

    add_content(&is, name);
    ck_assert_str_eq(text_str(&is), want);
}

#endif
