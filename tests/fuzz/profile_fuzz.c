/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A profile that somebody hands to --diff-base. Whatever it is, it is read or refused with a sentence;
 * what was read can be added to another, written, and read again as the same.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "supervisor/profile/profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
must(int holds)
{
    if (!holds)
        abort();
}

static int
see(void *env, const struct profile_view *v)
{
    must(v->n_lines <= PROFILE_FRAMES_MAX);
    for (size_t i = 0; i < v->n_lines; i++)
        must(v->lines[i].function && v->lines[i].file && v->lines[i].module);
    *(size_t *)env += 1;
    return 0;
}

static struct profile *
again(const struct profile *p)
{
    struct profile *q = NULL;
    int fd = memfd_create("profile", MFD_CLOEXEC);

    must(fd >= 0 && profile_write(p, fd, NULL) == 0 && lseek(fd, 0, SEEK_SET) == 0);
    must(profile_read(&q, fd, NULL) == 0);
    (void)close(fd);
    return q;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const char *const forget[] = {"generation", "pid", NULL};
    struct profile *p = NULL, *q;
    struct error err = {0};
    size_t seen = 0;
    int r = profile_read_bytes(&p, data, n, &err);

    if (r < 0) {
        must(r == -EBADMSG && err.text[0] != '\0' && p == NULL);
        return 0;
    }
    must(profile_each(p, see, &seen) == 0 && seen == profile_samples(p));
    must(profile_types(p) >= 1 && profile_type_find(p, NULL) < profile_types(p));
    q = again(p);
    must(profile_samples(q) <= profile_samples(p));
    must(profile_merge(q, p, -1) == 0);
    must(profile_forget(q, forget) == 0);
    profile_free(again(q));
    profile_free(q);
    profile_free(p);
    return 0;
}
