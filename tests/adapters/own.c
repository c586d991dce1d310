/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adapter.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/units.h"
#include "bench/child.h"

#define GONE_MS 10000
#define TRY_MS  5000
#define TRIES   5

static pid_t master, beside;
static unsigned unheard; /* signals without an effect */

unsigned
adp_children(pid_t pid, pid_t *ret)
{
    char path[64];
    auto_free char *list = NULL;
    unsigned n = 0;
    char *at, *end;

    (void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
    ck_assert_int_eq(file_read(path, 1 << 16, &list, NULL, NULL), 0);
    for (at = list; n < ADP_CHILDREN; at = end, n++) {
        ret[n] = (pid_t)strtol(at, &end, 10);
        if (end == at)
            break;
    }
    return n;
}

/* "%u" in @text becomes the port. */
static const char *
with_port(const char *text, char *buffer, size_t room)
{
    const char *at = strstr(text, "%u");

    if (at)
        (void)snprintf(buffer, room, "%.*s%u%s", (int)(at - text), text, adp_port(0), at + 2);
    else
        (void)snprintf(buffer, room, "%s", text);
    return buffer;
}

static pid_t
begin(const char *const *words)
{
    const char *argv[ADP_ARGS] = {NULL};
    char texts[ADP_ARGS][128], log[128];
    struct child_spec spec = {.argv = argv, .log = log, .directory = scn_dir(), .uid = (uid_t)-1};
    struct error err = {0};
    pid_t pid;

    for (size_t i = 0; words[i]; i++)
        argv[i] = with_port(words[i], texts[i], sizeof(texts[i]));
    (void)snprintf(log, sizeof(log), "%s", scn_path("own.log"));
    pid = child_start(&spec, &err);
    ck_assert_msg(pid > 0, "%s", err.text);
    return pid;
}

void
adp_own_begin(const struct adapter *a)
{
    if (a->own_edit[0])
        adp_edit(a->own_edit[0], a->own_edit[1], a->own_edit[2]);
    master = begin(a->own);
    beside = a->beside[0] ? begin(a->beside) : 0;
}

static void
no_answer(const struct adapter *a, const char *words)
{
    auto_free char *log = NULL;

    (void)file_read(scn_path("own.log"), 1 << 20, &log, NULL, NULL);
    ck_abort_msg("%s: nobody answered '%s'\n%s", a->own_words, words, log ? log : "no log");
}

void
adp_own_reload(const struct adapter *a, const char *words)
{
    pid_t before[ADP_CHILDREN];
    unsigned n = adp_children(master, before), tries = 1;
    int64_t try_us = (a->own_deaf_ms ? a->own_deaf_ms : TRY_MS) * US_PER_MS;

    ck_assert_uint_gt(n, 0);
    do
        ck_assert_int_eq(kill(master, a->own_signal), 0);
    while (!adp_answers(adp_port(0), words, try_us) && ++tries <= TRIES);
    if (tries > TRIES)
        no_answer(a, words);
    unheard += tries - 1;
    for (unsigned i = 0; i < n; i++)
        ck_assert_msg(scn_await_gone(before[i], GONE_MS), "%s: worker %d stays", a->own_words,
                      (int)before[i]);
}

void
adp_own_end(const struct adapter *a)
{
    ck_assert_msg(child_end(master, a->own_stop, 10 * US_PER_S) == 0, "%s did not end", a->own[0]);
    if (unheard > 0)
        (void)printf("%s: %u signals of %s had no effect and were sent again\n", a->name, unheard,
                     a->own_words);
    ck_assert_int_eq(child_end(beside, SIGTERM, 10 * US_PER_S), 0);
    master = beside = 0;
}
