/* SPDX-License-Identifier: GPL-2.0-or-later */
/* preflight: what is started in a cage must be able to leave what runs alone. */
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "config/address.h"
#include "config/load.h"

static const struct node *
below(const struct load *l, const struct entry *e, const char *key)
{
    const struct node *at = entry_node(l, e, "preflight"), *n = node_get(at, key);

    return n ? n : at;
}

/* "http://NAME/…": is NAME a socket of the service? */
static bool
names_listener(const struct service_spec *s, const char *host, size_t n)
{
    for (size_t i = 0; i < s->n_listen; i++)
        if (strlen(s->listen[i].name) == n && strncmp(s->listen[i].name, host, n) == 0)
            return true;
    return false;
}

static void
check_url(struct load *l, const struct entry *e)
{
    const struct service_spec *s = e->spec;
    const struct node *load = below(l, e, "load"), *at = node_get(load, "url");
    const char *url = s->preflight.url, *host = url ? url + strlen("http://") : NULL;
    auto_address struct address to = {0};
    struct error err;

    if (!url)
        return;
    if (s->preflight.load.n > 0)
        (void)finding(&l->reader, load, NULL, "'load' has a 'command' and a 'url': one of them");
    if (strncmp(url, "http://", strlen("http://")) != 0)
        (void)finding(&l->reader, at ? at : load, NULL,
                      "'url' wants http://NAME/PATH, NAME being a socket of 'listen', or http:// "
                      "with a numeric host");
    else if (!names_listener(s, host, strcspn(host, "/")) && address_of_url(url, &to, &err) < 0)
        (void)finding(&l->reader, at ? at : load, NULL,
                      "'url': '%.*s' is no socket of 'listen', and no address either: %s",
                      (int)strcspn(host, "/"), host, err.text);
}

/* What a program binds by itself may be more than what stint binds: any port, a cage's file, a name. */
static void
plain_address(const char *item, struct text *out)
{
    const char *colon = strrchr(item, ':');

    if (strncmp(item, "unix:@", 6) == 0 && item[6])
        text_addf(out, "unix:/%s", item + 6);
    else if (strncmp(item, "unix:{cage}/", 12) == 0)
        text_addf(out, "unix:/cage/%s", item + 12);
    else if (colon && strcmp(colon, ":*") == 0)
        text_addf(out, "%.*s:0", (int)(colon - item), item);
    else
        text_add(out, item);
}

static void
check_listens(struct load *l, const struct entry *e)
{
    const struct node *at = below(l, e, "listens");

    for (size_t i = 0; i < e->spec->preflight.listens.n; i++) {
        auto_text struct text plain = TEXT_INIT;
        auto_address struct address a = {0};
        struct error err;

        plain_address(e->spec->preflight.listens.items[i], &plain);
        if (address_parse(text_str(&plain), &a, &err) < 0)
            (void)finding(&l->reader, at->kind == NODE_LIST ? at->items[i] : at, NULL,
                          "'listens': %s", err.text);
    }
}

void
validate_preflight(struct load *l, const struct entry *e)
{
    const struct service_spec *s = e->spec;
    const struct node *handoff = entry_node(l, e, "handoff");
    const struct node *require = node_get(handoff, "require_preflight");

    if (s->require_preflight && !s->preflight.may && !l->one_service)
        (void)finding(&l->reader, require ? require : handoff, NULL,
                      "'require_preflight' needs a 'preflight' block: without one nothing may be "
                      "rehearsed, and so nothing could pass; 'preflight: {}' is the shortest");
    if (!s->preflight.may)
        return;
    if (s->ready.mode == READY_FILE && !s->preflight.ready_file)
        (void)finding(&l->reader, below(l, e, "preflight"), NULL,
                      "'preflight' needs a 'ready_file': a rehearsal would write %s, which is that "
                      "of the service that runs",
                      s->ready.file);
    check_url(l, e);
    check_listens(l, e);
}
