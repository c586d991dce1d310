/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/lint_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U /* Linux 6.3; an older kernel says EINVAL */
#endif

#define MAGIC      "stintli" /* 8 bytes with its NUL */
#define VERSION    1
#define PAGE_BYTES ((size_t)4096)
#define SEALS      (F_SEAL_SHRINK | F_SEAL_GROW)

struct lint_header {
    char magic[8];
    uint32_t version, head_bytes, finding_bytes, places;
    uint64_t total_bytes;
};

struct lint_memory {
    struct lint_header *header; /* start of the mapping, owned */
    struct lint_head *heads;
    struct lint_finding *findings;
    struct lint_span *spans;
    unsigned used; /* no place behind these was ever taken */
    int fd;        /* owned */
};

static size_t
whole_pages(size_t bytes)
{
    return (bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
}

static size_t
heads_at(void)
{
    return whole_pages(sizeof(struct lint_header));
}

static size_t
findings_at(void)
{
    return heads_at() + whole_pages(LINT_PLACES * sizeof(struct lint_head));
}

static size_t
spans_at(void)
{
    return findings_at() + whole_pages(sizeof(struct lint_finding) * LINT_PLACES * LINT_THREADS);
}

static size_t
total_bytes(void)
{
    return spans_at() + sizeof(struct lint_span) * LINT_PLACES * LINT_SPANS;
}

static int
map(struct lint_memory *m, struct error *reterr)
{
    char *base = mmap(NULL, total_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, m->fd, 0);

    if (base == MAP_FAILED)
        return error_set(reterr, -errno, "map the memory of what is counted of lines");
    (void)madvise(base, total_bytes(), MADV_DONTFORK); /* a child has no business here */
    m->header = (void *)base;
    m->heads = (void *)(base + heads_at());
    m->findings = (void *)(base + findings_at());
    m->spans = (void *)(base + spans_at());
    return 0;
}

static int
make_file(struct error *reterr)
{
    const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    auto_fd int fd = memfd_create("stint-lint", flags | MFD_NOEXEC_SEAL);
    struct rlimit limit;

    if (fd == -1 && errno == EINVAL)
        fd = memfd_create("stint-lint", flags);
    if (fd == -1)
        return error_set(reterr, -errno, "make memory for what is counted of lines");
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < total_bytes())
        return error_say(reterr, -EFBIG, /* it would be SIGXFSZ */
                         "the limit for files is lower than the %zu bytes of what is counted",
                         total_bytes());
    if (ftruncate(fd, (off_t)total_bytes()) == -1)
        return error_set(reterr, -errno, "make memory for what is counted of lines");
    if (fcntl(fd, F_ADD_SEALS, SEALS | F_SEAL_SEAL) == -1)
        return error_set(reterr, -errno, "seal the memory of what is counted of lines");
    return steal_fd(fd);
}

void
lint_memory_close(struct lint_memory *m)
{
    if (!m)
        return;
    if (m->header)
        (void)munmap(m->header, total_bytes()); /* fails for a range that is none only */
    (void)fd_close(m->fd);
    free(m);
}

int
lint_memory_create(struct lint_memory **ret, struct error *reterr)
{
    struct lint_memory *m = calloc(1, sizeof(*m));
    int r;

    if (!m)
        return error_set(reterr, -ENOMEM, "make memory for what is counted of lines");
    r = m->fd = make_file(reterr);
    if (r >= 0)
        r = map(m, reterr);
    if (r < 0 || !m->header) {
        lint_memory_close(m);
        return r;
    }
    *m->header = (struct lint_header){.version = VERSION,
                                      .head_bytes = sizeof(struct lint_head),
                                      .finding_bytes = sizeof(struct lint_finding),
                                      .places = LINT_PLACES,
                                      .total_bytes = total_bytes()};
    atomic_signal_fence(memory_order_seq_cst); /* it is one when all the rest is there */
    memcpy(m->header->magic, MAGIC, sizeof(m->header->magic));
    *ret = m;
    return 0;
}

int
lint_memory_fd(const struct lint_memory *m)
{
    return m->fd;
}

/* ---- what was there before us ---------------------------------------------------------------------- */

/* Whose page is not there is all zero. */
static int
look_at(int fd, struct error *reterr)
{
    struct lint_header h;
    struct stat st;
    int seals = fcntl(fd, F_GET_SEALS);

    if (seals == -1 || (seals & SEALS) != SEALS || fstat(fd, &st) == -1)
        return error_say(reterr, -EBADMSG, "what was counted of lines is no sealed memory");
    if (pread(fd, &h, sizeof(h), 0) != (ssize_t)sizeof(h) ||
        memcmp(h.magic, MAGIC, sizeof(h.magic)) != 0)
        return error_say(reterr, -EBADMSG, "what was counted of lines is none");
    if (h.version != VERSION || h.head_bytes != sizeof(struct lint_head) ||
        h.finding_bytes != sizeof(struct lint_finding) || h.places != LINT_PLACES)
        return error_say(reterr, -EPROTO,
                         "what was counted of lines is of version %u, this stint knows %u",
                         h.version, VERSION);
    if (h.total_bytes != total_bytes() || (uint64_t)st.st_size != total_bytes())
        return error_say(reterr, -EBADMSG, "what was counted of lines has an impossible size");
    return 0;
}

static struct lint_place
place_at(const struct lint_memory *m, unsigned i)
{
    return (struct lint_place){&m->heads[i], &m->findings[(size_t)i * LINT_THREADS],
                               &m->spans[(size_t)i * LINT_SPANS]};
}

static bool
is_text(const char *text, size_t room)
{
    return memchr(text, '\0', room) != NULL;
}

static bool
finding_is_sound(const struct lint_finding *f)
{
    return (unsigned)f->fault < LINT_FAULTS && f->count <= SHARED_MAX &&
           is_text(f->thread, sizeof(f->thread)) && is_text(f->creator, sizeof(f->creator)) &&
           is_text(f->line, sizeof(f->line));
}

static bool
place_is_sound(const struct lint_place *p)
{
    uint64_t n = shared_load(&p->head->n_findings);

    if (shared_load(&p->head->used) != 1 || p->head->service[0] == '\0' ||
        !is_text(p->head->service, sizeof(p->head->service)) || n > LINT_THREADS ||
        p->head->counts.lines > SHARED_MAX)
        return false;
    for (uint64_t i = 0; i < n; i++)
        if (!finding_is_sound(&p->findings[i]))
            return false;
    return true;
}

int
lint_memory_adopt(int fd, struct lint_memory **ret, struct error *reterr)
{
    auto_fd int taken = fd;
    struct lint_memory *m = calloc(1, sizeof(*m));
    int r;

    if (!m)
        return error_set(reterr, -ENOMEM, "take what was counted of lines");
    r = look_at(fd, reterr);
    if (r < 0) {
        free(m);
        return r;
    }
    m->fd = steal_fd(taken);
    r = map(m, reterr);
    if (r < 0 || !m->heads) {
        lint_memory_close(m);
        return r;
    }
    for (unsigned i = 0; i < LINT_PLACES; i++) {
        struct lint_place p = place_at(m, i);

        if (shared_load(&p.head->used) == 0)
            continue;
        if (!place_is_sound(&p))
            shared_store(&p.head->used, 0);
        m->used = i + 1;
    }
    *ret = m;
    return 0;
}

/* ---- places ---------------------------------------------------------------------------------------- */

static void
begin(const struct lint_place *p, const char *service)
{
    memset(&p->head->counts, 0, sizeof(p->head->counts));
    shared_store(&p->head->n_findings, 0);
    if (p->head->has_spans)
        memset(p->spans, 0, LINT_SPANS * sizeof(*p->spans));
    p->head->has_spans = 0;
    (void)snprintf(p->head->service, sizeof(p->head->service), "%s", service);
    shared_store(&p->head->used, 1);
}

bool
lint_memory_place(struct lint_memory *m, const char *service, bool make, struct lint_place *ret)
{
    unsigned at = m->used;

    for (unsigned i = m->used; i > 0; i--) {
        struct lint_head *h = &m->heads[i - 1];

        if (shared_load(&h->used) == 0) {
            at = i - 1;
        } else if (strcmp(h->service, service) == 0) {
            *ret = place_at(m, i - 1);
            return true;
        }
    }
    if (!make || at == LINT_PLACES)
        return false;
    *ret = place_at(m, at);
    begin(ret, service);
    if (at == m->used)
        m->used++;
    return true;
}

void
lint_memory_forget(struct lint_memory *m, const char *service)
{
    struct lint_place p;

    if (lint_memory_place(m, service, false, &p))
        shared_store(&p.head->used, 0);
}

const char *
lint_memory_next(const struct lint_memory *m, unsigned *at)
{
    while (*at < m->used) {
        struct lint_head *h = &m->heads[(*at)++];

        if (shared_load(&h->used) == 1)
            return h->service;
    }
    return NULL;
}
