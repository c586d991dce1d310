/* SPDX-License-Identifier: GPL-2.0-or-later */
/* {slot} where no slot is: what there is once for a generation, a service or stint. */
#include "base/text.h"
#include "config/load.h"

static void
no_slot(struct load *l, const struct node *at, const char *key, const char *why)
{
    (void)finding(&l->reader, at, NULL,
                  "{slot} has no meaning in '%s': %s; hand it to the program in the arguments of "
                  "'command' or in 'environment'",
                  key, why);
}

static void
check_text(struct load *l, const struct entry *e, const char *key, const char *text,
           const char *why)
{
    if (text && slot_in_text(text))
        no_slot(l, entry_node(l, e, key), key, why);
}

static const struct node *
item_node(const struct node *list, size_t i)
{
    return list && list->kind == NODE_LIST && i < list->n ? list->items[i] : list;
}

static void
check_watched(struct load *l, const struct entry *e)
{
    const struct node *watch = entry_node(l, e, "watch"), *paths = node_get(watch, "paths");

    for (size_t i = 0; i < e->spec->watch_paths.n; i++)
        if (slot_in_text(e->spec->watch_paths.items[i]))
            no_slot(l, item_node(paths ? paths : watch, i), "watch.paths",
                    "a change is looked at once for all workers");
}

/* The text itself may be wanted there: {{slot}} is that. */
static void
check_argv(struct load *l, const struct node *at, const char *key, const struct strv *argv,
           const char *whose)
{
    for (size_t i = 0; i < argv->n; i++)
        if (slot_in_text(argv->items[i]))
            (void)finding(&l->reader, item_node(at, i), NULL,
                          "{slot} has no meaning in '%s', which runs once for %s and in no slot: "
                          "leave it out, or write {{slot}} for the text itself",
                          key, whose);
}

void
validate_slots(struct load *l, const struct entry *e)
{
    const struct service_spec *s = e->spec;
    const struct node *check = entry_node(l, e, "check"), *command = node_get(check, "command");
    const struct node *ready = entry_node(l, e, "ready"), *exec = node_get(ready, "exec");

    if (s->command.n > 0 && slot_in_text(s->command.items[0]))
        no_slot(l, item_node(entry_node(l, e, "command"), 0), "command",
                "the program itself is one for all workers of a generation");
    if (s->ready.exec.n > 0 && slot_in_text(s->ready.exec.items[0]))
        no_slot(l, item_node(exec ? exec : ready, 0), "ready.exec",
                "the program that asks is one for all workers of a generation");
    check_text(l, e, "directory", s->directory,
               "it is what the paths of the service are relative to, and there is one of them");
    check_text(l, e, "env_file", s->env_file, "it is read once for all workers of a generation");
    check_text(l, e, "user", s->user, "all workers run as the same one");
    check_text(l, e, "group", s->group, "all workers run as the same one");
    check_watched(l, e);
    check_argv(l, command ? command : check, "check", &s->check, "a candidate as a whole");
    for (int h = HOOK_NONE + 1; h < HOOK_COUNT; h++)
        check_argv(l, entry_hook_node(l, e, (enum hook)h), hook_name((enum hook)h),
                   &s->hooks[h].command, "a generation as a whole");
}
