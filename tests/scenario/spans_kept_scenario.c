/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The spans of reloads do not end with the master in which they ended. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/text.h"
#include "collector.h"
#include "harness.h"

#define GATED "check: [sh, -c, \"echo x > began; exec head -c 1 gate\"]"

/* It leaves when a byte comes through "leave". */
static void
service(unsigned version, const char *more)
{
    scn_config("  web:\n    command: [sh, -c, \"trap 'head -c 1 leave; exit 0' TERM; "
               "while :; do read x < never; done\", 'v%u']\n    directory: %s\n"
               "    ready: {assume_after: 10ms}\n    " GATED "\n%s",
               version, scn_dir(), more);
}

/* All there are, by `stint events --spans`; each only once. */
static json_t *
all_spans(void)
{
    auto_free char *out = NULL;
    json_t *all = json_object();

    ck_assert_int_eq(scn_cli(&out, "events", "--spans", "--json", NULL), 0);
    for (const char *at = out; *at; at = strchr(at, '\n') + 1) {
        json_t *span = json_loads(at, JSON_DISABLE_EOF_CHECK, NULL);
        const char *id = json_string_value(json_object_get(span, "span"));

        ck_assert_msg(id && !json_object_get(all, id), "twice: %.300s", at);
        ck_assert_int_eq(json_object_set_new(all, id, span), 0);
    }
    return all;
}

static const char *
text_of(const json_t *span, const char *key)
{
    const char *text = json_string_value(json_object_get(span, key));

    return text ? text : "";
}

static unsigned
named(json_t *all, const char *name)
{
    const char *id;
    json_t *span;
    unsigned n = 0;

    json_object_foreach(all, id, span) n += strcmp(text_of(span, "name"), name) == 0;
    return n;
}

/* Each hangs below one that is there, or is a whole run. */
static void
assert_trees(json_t *all)
{
    const char *id;
    json_t *span;

    json_object_foreach(all, id, span)
    {
        const char *parent = text_of(span, "parent");

        if (*parent)
            ck_assert_msg(json_object_get(all, parent) != NULL, "%s %s hangs below nothing", id,
                          text_of(span, "name"));
        else
            ck_assert_str_eq(text_of(span, "name"), "reload");
    }
}

static void
assert_contains(json_t *all, json_t *before)
{
    const char *id;
    json_t *span;

    json_object_foreach(before, id, span)
        ck_assert_msg(json_equal(json_object_get(all, id), span), "%s %s is not what it was", id,
                      text_of(span, "name"));
}

START_TEST(runs_are_whole_trees_behind_a_killed_master_and_an_upgrade)
{
    static const char *const twice[] = {"reload", "check", "hand", "start", "spawn"};
    static const char *const once[] = {"drain", "leave", "certify"};
    int began = scn_fifo("began"), gate = scn_fifo("gate"), leave = scn_fifo("leave");
    json_t *first, *open, *all, *again;

    (void)scn_fifo("never");
    service(1, "");
    scn_start();
    scn_fifo_read(began, 10000);
    scn_fifo_write(gate, 1);
    (void)scn_await("event=verdict service=web outcome=serving gen=1", 20000);
    first = all_spans();
    assert_trees(first);
    ck_assert_uint_eq(named(first, "reload"), 1);
    service(2, "");
    scn_fifo_read(began, 10000);
    scn_fifo_write(gate, 1);
    (void)scn_await("event=verdict service=web outcome=serving gen=2", 20000);
    open = all_spans();
    assert_contains(open, first);
    for (size_t i = 0; i < ARRAY_LEN(twice); i++)
        ck_assert_msg(named(open, twice[i]) == 2, "%u %s", named(open, twice[i]), twice[i]);
    ck_assert_uint_eq(named(open, "drain"), 0); /* that goes on … */
    (void)scn_kill_master();
    scn_fifo_write(leave, 1); /* … and ends under the next one */
    (void)scn_await("event=certificate service=web gen=1", 20000);
    all = all_spans();
    assert_contains(all, open);
    assert_trees(all);
    for (size_t i = 0; i < ARRAY_LEN(once); i++)
        ck_assert_msg(named(all, once[i]) == 1, "%u %s", named(all, once[i]), once[i]);
    ck_assert_int_eq(scn_cli(NULL, "upgrade", NULL), 0);
    (void)scn_kill_master();
    again = all_spans();
    assert_contains(again, all);
    assert_trees(again); /* inputs are looked at by each master: there may be a run more */
    for (size_t i = 0; i < ARRAY_LEN(once); i++)
        ck_assert_msg(named(again, once[i]) == 1, "%u %s", named(again, once[i]), once[i]);
    ck_assert_uint_eq(named(again, "start"), 2);
    ck_assert_uint_eq(named(again, "spawn"), 2);
    json_decref(first);
    json_decref(open);
    json_decref(all);
    json_decref(again);
    scn_fifo_write(leave, 1);
    ck_assert_int_eq(scn_stop(), 0);
}
END_TEST

START_TEST(a_collector_that_was_away_gets_the_spans_of_the_master_before_each_once)
{
    static const char *const names[] = {"reload", "look", "check", "hand", "start", "spawn"};
    int began = scn_fifo("began"), gate = scn_fifo("gate"), leave = scn_fifo("leave");
    char export[160];
    json_t *all, *span;
    const char *id;

    (void)scn_fifo("never");
    collector_open(0, COLLECTOR_BUSY);
    (void)snprintf(export, sizeof(export),
                   "export: {endpoint: 'http://127.0.0.1:%d', every: 100ms}\n", collector_port());
    service(1, export);
    scn_start();
    scn_fifo_read(began, 10000);
    (void)scn_kill_master(); /* what ended before is in the queue, and is not put there again */
    scn_fifo_read(began, 10000);
    scn_fifo_write(gate, 2);
    (void)scn_await("event=verdict service=web outcome=serving gen=1", 20000);
    (void)scn_kill_master();
    all = all_spans();
    assert_trees(all);
    collector_be(COLLECTOR_TAKES);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        ck_assert_msg(named(all, names[i]) > 0, "no %s", names[i]);
    json_object_foreach(all, id, span)
    {
        char want[64];

        (void)snprintf(want, sizeof(want), "/v1/traces \n\"spanId\":\"%s\"", id);
        collector_await(want, 20000);
    }
    json_object_foreach(all, id, span)
    {
        char row[64];

        (void)snprintf(row, sizeof(row), "\"spanId\":\"%s\"", id);
        ck_assert_msg(collector_count(row) == 1, "%u %s", collector_count(row), id);
    }
    json_decref(all);
    scn_fifo_write(leave, 1);
    ck_assert_int_eq(scn_stop(), 0);
    collector_close();
}
END_TEST

scn_main("spans_kept", runs_are_whole_trees_behind_a_killed_master_and_an_upgrade,
         a_collector_that_was_away_gets_the_spans_of_the_master_before_each_once)
