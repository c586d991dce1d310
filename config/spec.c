/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/spec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/schema.h"

struct service_spec *
service_spec_ref(struct service_spec *s)
{
    s->references++;
    return s;
}

void
service_spec_unref(struct service_spec *s)
{
    if (!s || --s->references > 0)
        return;
    object_clear(OBJECT_SERVICE, s);
    free(s->name);
    free(s);
}

const char *
hook_name(enum hook h)
{
    static const char *const names[HOOK_COUNT] = {[HOOK_NONE] = "none",
                                                  [HOOK_BEFORE_START] = "before_start",
                                                  [HOOK_ANNOUNCE] = "announce",
                                                  [HOOK_RETIRED] = "retired"};

    return h < HOOK_COUNT ? names[h] : "?";
}

bool
service_awaits_completion(const struct service_spec *s, const char *name)
{
    for (size_t i = 0; i < s->depends_completed.n; i++)
        if (strcmp(s->depends_completed.items[i], name) == 0)
            return true;
    return false;
}

void
spec_destroy(struct spec *s)
{
    if (!s)
        return;
    object_clear(OBJECT_CONFIG, s);
    free(s->path);
    for (size_t i = 0; i < s->n_services; i++)
        service_spec_unref(s->services[i]);
    free(s->services);
    strv_finish(&s->inputs);
    strv_finish(&s->directories);
    free(s);
}

static int
string_resolve(const char *directory, char **s)
{
    char *joined = path_join(directory, *s);

    if (!joined)
        return -ENOMEM;
    free(*s);
    *s = joined;
    return 0;
}

/* Every row of type `file` or `files`, wherever in the service it stands. */
static int /* NOLINTNEXTLINE(misc-no-recursion) */
object_resolve(enum object o, struct service_spec *s)
{
    int r = 0;

    schema_for_each(k, o)
    {
        if (k->type->nested || k->type == &type_ready) {
            r = object_resolve((enum object)k->arg, s);
        } else if (k->type == &type_file) {
            char **path = key_member(k, s);

            r = *path ? string_resolve(s->directory, path) : 0;
        } else if (k->type == &type_files) {
            struct strv *v = key_member(k, s);

            for (size_t i = 0; i < v->n && r == 0; i++)
                r = string_resolve(s->directory, &v->items[i]);
        }
        if (r < 0)
            return r;
    }
    return 0;
}

int
service_resolve(struct service_spec *s)
{
    return object_resolve(OBJECT_SERVICE, s);
}
