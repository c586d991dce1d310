/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/text.h"
#include "config/load.h"
#include "config/schema.h"

static void
load_finish(struct load *l)
{
    for (size_t i = 0; i < l->n_entries; i++)
        service_spec_unref(l->entries[i].spec);
    free(l->entries);
    free(l->by_name);
    spec_destroy(l->spec);
    node_pool_finish(&l->reader.nodes);
    for (size_t i = 0; i < l->n_sources; i++)
        source_destroy(l->sources[i]);
    free(l->sources);
}

static int
load_init(struct load *l, struct diagnostics *diags, const char *path)
{
    *l = (struct load){
        .reader = {.diags = diags, .first = diags->n}
    };
    l->spec = calloc(1, sizeof(*l->spec));
    if (l->spec)
        l->spec->path = strdup(path);
    return l->spec && l->spec->path ? 0 : no_memory(&l->reader);
}

/* Read once for its own sake: what is wrong is said once, and then it is not used. */
static void
load_defaults(struct load *l, const struct node *n)
{
    struct service_spec scratch = {0};

    if (n->kind != NODE_MAP)
        (void)wrong_type(&l->reader, schema_find(OBJECT_CONFIG, "defaults"), n);
    else if (object_read(&l->reader, OBJECT_SERVICE, n, &scratch) == 0)
        l->defaults = n;
    object_clear(OBJECT_SERVICE, &scratch);
}

static void
load_main(struct load *l, const struct node *root)
{
    const struct key *place = schema_find(OBJECT_CONFIG, "runtime_dir");
    const struct node *given = node_get(root, place->name);

    (void)object_default(&l->reader, OBJECT_CONFIG, root, l->spec);
    (void)object_read(&l->reader, OBJECT_CONFIG, root, l->spec);
    validate_export(l, root);
    l->place_told = !given || place->type->parse(&l->reader, place, given, l->spec) == 0;
    if (!node_get(root, "version"))
        (void)finding(&l->reader, root, NULL, "'version' is missing: start with 'version: 1'");
    if (node_get(root, "defaults"))
        load_defaults(l, node_get(root, "defaults"));
}

/* What is not a service has one place, the main file: else the order of files would matter. */
static void
check_included(struct load *l, const struct node *root)
{
    for (size_t i = 0; i < root->n; i++) {
        const char *key = root->keys[i]->text;
        struct suggestion s = {.wanted = key};

        if (strcmp(key, "services") == 0 || strcmp(key, "include") == 0)
            continue;
        suggest(&s, "services");
        suggest(&s, "include");
        (void)finding(
            &l->reader, root->keys[i], s.best,
            schema_find(OBJECT_CONFIG, key)
                ? "'%s' belongs in the main file: an included one holds 'services' and "
                  "'include' only"
                : "unknown key '%s': an included file holds 'services' and 'include' only",
            key);
    }
}

void
load_root(struct load *l, const struct node *root)
{
    const struct node *services, *include;

    if (root->kind != NODE_MAP) {
        (void)finding(&l->reader, root, NULL, "a configuration is a map of keys, not %s",
                      node_kind_name(root));
        return;
    }
    if (l->one_service) {
        if (root->n != 1)
            (void)finding(&l->reader, root, NULL, "this is not one service but %zu", root->n);
        load_services(l, root);
        return;
    }
    if (root->source->included_by)
        check_included(l, root);
    else
        load_main(l, root);
    services = node_get(root, "services");
    include = node_get(root, "include");
    if (services)
        load_services(l, services);
    if (include)
        load_includes(l, include);
}

static int
load_result(struct load *l, const char *name, struct spec **ret)
{
    struct spec *s = l->spec;
    int r;

    if (s)
        s->services = calloc(l->n_entries + 1, sizeof(struct service_spec *));
    if (!s || !s->services)
        (void)no_memory(&l->reader);
    r = reader_result(&l->reader, name);
    findings_sort(&l->reader, l->sources, l->n_sources);
    if (r < 0 || !s || !s->services)
        return r;
    for (size_t i = 0; i < l->n_entries; i++)
        s->services[s->n_services++] = steal(l->entries[i].spec);
    for (size_t i = 0; i < l->n_sources; i++)
        s->digest = digest_mix(s->digest, digest_of(l->sources[i]->bytes, l->sources[i]->n));
    *ret = steal(l->spec);
    return 0;
}

/* load_init() and the main file with what it includes. Return: 0, or what there is no going on after. */
static int
load_path(struct load *l, struct diagnostics *diags, const char *path, struct strv *inputs)
{
    auto_free char *here = getcwd(NULL, 0); /* a path from the root needs none */
    int why = errno;
    auto_free char *absolute = path_join(here ? here : "/", path);
    int r = load_init(l, diags, absolute ? absolute : "/");

    if (!absolute)
        r = no_memory(&l->reader);
    if (!here && path[0] != '/')
        r = finding_file(&l->reader, path,
                         "cannot tell the current directory it is relative to: %s", strerror(why));
    l->inputs = inputs;
    if (r == 0)
        load_file(l, path, absolute, NULL);
    return r;
}

int
config_load(const char *path, enum config_check check, struct spec **ret_spec,
            struct strv *ret_inputs, struct diagnostics *diags)
{
    struct load l;
    int r = load_path(&l, diags, path, ret_inputs);

    if (r == 0)
        load_all_services(&l, check);
    r = load_result(&l, path, ret_spec);
    load_finish(&l);
    return r;
}

/* Services are noted only, and what is found elsewhere does not stand in the way. */
int
config_runtime_dir(const char *path, char **ret, struct diagnostics *diags)
{
    struct load l;
    int r = load_path(&l, diags, path, NULL);

    if (r == 0 && l.place_told && l.spec->runtime_dir) {
        *ret = steal(l.spec->runtime_dir);
    } else {
        r = reader_result(&l.reader, path);
        r = r ? r : -EINVAL;
    }
    load_finish(&l);
    return r;
}

static int
load_memory(struct load *l, const char *name, const char *bytes, size_t n)
{
    char *copy = malloc(n + 1);

    if (!copy)
        return no_memory(&l->reader);
    if (n > 0)
        memcpy(copy, bytes, n);
    copy[n] = '\0';
    l->in_memory = true;
    load_bytes(l, name, copy, n);
    load_all_services(l, CONFIG_CHECK_SYNTAX);
    return 0;
}

int
config_parse(const char *name, const char *bytes, size_t n, struct spec **ret_spec,
             struct diagnostics *diags)
{
    struct load l;
    int r = load_init(&l, diags, "/");

    if (r == 0)
        (void)load_memory(&l, name, bytes, n); /* the reader knows what went wrong */
    r = load_result(&l, name, ret_spec);
    load_finish(&l);
    return r;
}

int
spec_parse_canonical(const char *text, size_t bytes, struct service_spec **ret,
                     struct diagnostics *diags)
{
    static const char name[] = "(canonical text)";
    struct spec *spec = NULL;
    struct load l;
    int r = load_init(&l, diags, "/");

    l.one_service = true;
    if (r == 0)
        (void)load_memory(&l, name, text, bytes); /* the reader knows what went wrong */
    r = load_result(&l, name, &spec);
    load_finish(&l);
    if (r == 0 && spec)
        *ret = service_spec_ref(spec->services[0]);
    spec_destroy(spec);
    return r;
}
