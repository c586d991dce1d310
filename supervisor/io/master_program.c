/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/pack.h"
#include "base/text.h"
#include "supervisor/io/environment.h"
#include "supervisor/io/look.h"
#include "supervisor/io/master_reload.h"
#include "supervisor/io/spawn.h"

/*
 * handoff: signal: is what would be started now what runs? A process that is told to reload has the
 * executable, the interpreter, the environment and the user that it was started with.
 */

/* "#!/usr/bin/env [-S] NAME": the interpreter is the one that env finds. NULL: not known. */
static char *
found_by_env(const struct service_spec *spec, int exe_fd)
{
    char head[256], *rest, *word;
    ssize_t n = pread(exe_fd, head, sizeof(head) - 1, 0);
    char *found = NULL;

    if (n <= 2)
        return NULL;
    head[n] = '\0';
    head[strcspn(head, "\n")] = '\0';
    (void)strtok_r(head + 2, " \t", &rest); /* env itself */
    do
        word = strtok_r(NULL, " \t", &rest);
    while (word && (word[0] == '-' || strchr(word, '=')));
    if (!word || look_find_program(spec, word, &found) < 0)
        return NULL;
    return found;
}

/* A package that is upgraded writes it anew; who touches it only gets a new generation too many. */
static struct digest
interpreter_digest(const struct service_spec *spec, const struct look_answer *answer)
{
    const char *name = strrchr(answer->interpreter, '/');
    bool env = name && strcmp(name, "/env") == 0;
    auto_free char *found = env ? found_by_env(spec, answer->exe_fd) : NULL;
    auto_text struct text t = TEXT_INIT;
    struct stat st;

    if (stat(found ? found : answer->interpreter, &st) == -1)
        return (struct digest){0, 0};
    pack_u64(&t, st.st_dev);
    pack_u64(&t, st.st_ino);
    pack_i64(&t, st.st_size);
    pack_i64(&t, st.st_mtim.tv_sec);
    pack_i64(&t, st.st_mtim.tv_nsec);
    return t.failed ? (struct digest){0, 0} : digest_of(t.data, t.bytes);
}

struct digest
snapshot_program(const struct snapshot *snap, const struct look_answer *answer)
{
    struct digest sum = answer->exe_digest;

    if (digest_none(sum))
        return sum;
    sum = digest_mix(sum, digest_of(snap->exe_path, strlen(snap->exe_path)));
    return answer->is_script ? digest_mix(sum, interpreter_digest(snap->spec, answer)) : sum;
}

struct digest
snapshot_setting(const struct snapshot *snap)
{
    const struct identity *id = &snap->identity;
    auto_text struct text t = TEXT_INIT;

    pack_strv(&t, &snap->env_file);
    pack_u64(&t, id->uid);
    pack_u64(&t, id->gid);
    for (size_t i = 0; i < id->n_groups; i++)
        pack_u64(&t, id->groups[i]);
    pack_str(&t, id->name);
    pack_str(&t, id->home);
    pack_str(&t, id->shell);
    return t.failed ? (struct digest){0, 0} : digest_of(t.data, t.bytes);
}
