// SPDX-License-Identifier: GPL-2.0-or-later
#include "bench/arena.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

/* @room/@name of the build directory this program is in (its path is BUILD/bench/NAME). */
static int
ours(char to[PATH_MAX], const char *build, const char *name)
{
    return snprintf(to, PATH_MAX, "%s/%s", build, name) >= PATH_MAX ? -ENAMETOOLONG : 0;
}

/* Peers are looked for as a shell would, then where daemons are, then where bench/peers puts what is no package. */
static int
extend_path(const char *build)
{
    const char *path = getenv("PATH");
    char longer[3 * PATH_MAX];

    if (snprintf(longer, sizeof(longer),
                 "%s:/usr/local/sbin:/usr/sbin:/sbin:%s/bench/peers/node_modules/.bin",
                 path ? path : "/usr/local/bin:/usr/bin:/bin", build) >= (int)sizeof(longer))
        return -ENAMETOOLONG;
    return setenv("PATH", longer, 1) == -1 ? -errno : 0;
}

int
arena_init(struct arena *a, struct error *reterr)
{
    const char *tmp = getenv("TMPDIR");
    char build[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", build, sizeof(build) - 1);

    memset(a, 0, sizeof(*a));
    a->uid = (uid_t)-1;
    a->gid = (gid_t)-1;
    if (n < 0)
        return error_set(reterr, -errno, "find this program");
    build[n] = '\0';
    for (int up = 0; up < 2; up++) {
        char *slash = strrchr(build, '/');

        if (slash)
            *slash = '\0';
    }
    if (ours(a->stint, build, "bin/stint") < 0 || ours(a->web, build, "examples/web/web") < 0 ||
        ours(a->limit, build, "bench/stint-limit-master") < 0 ||
        ours(a->load, build, "bench/stint-load") < 0 ||
        ours(a->listen, build, "bench/stint-listen") < 0 ||
        ours(a->machine, build, "bench/machine") < 0 || extend_path(build) < 0)
        return error_set(reterr, -ENAMETOOLONG, "programs in '%s'", build);
    (void)snprintf(a->work, sizeof(a->work), "%s/stint-bench-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(a->work) || chmod(a->work, 0755) == -1)
        return error_set(reterr, -errno, "make '%s'", a->work);
    return 0;
}

int
arena_user(struct arena *a, const char *name, struct error *reterr)
{
    char memory[4096];
    struct passwd pw;
    struct passwd *found = NULL;
    int r = getpwnam_r(name, &pw, memory, sizeof(memory), &found);

    if (r != 0 || !found)
        return error_set(reterr, r ? -r : -ENOENT, "user '%s'", name);
    a->uid = pw.pw_uid;
    a->gid = pw.pw_gid;
    return 0;
}

void
arena_finish(struct arena *a)
{
    if (a->work[0] != '\0' && rmdir(a->work) == -1)
        (void)fprintf(stderr, "'%s' stays: %s\n", a->work, strerrordesc_np(errno));
    a->work[0] = '\0';
}
