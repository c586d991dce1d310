/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/keeper/image.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "supervisor/keeper/state.h"

#define FNV_BASIS UINT64_C(14695981039346656037)
#define FNV_PRIME UINT64_C(1099511628211)

static uint64_t
checksum(uint64_t sum, const void *data, size_t bytes)
{
    const unsigned char *p = data;

    for (size_t i = 0; i < bytes; i++)
        sum = (sum ^ p[i]) * FNV_PRIME;
    return sum;
}

/* put - behind what was written before. A memfd takes all or it has no memory. */
static int
put(int fd, struct image_head *head, const void *data, size_t bytes)
{
    ssize_t n = pwrite(fd, data, bytes, (off_t)(sizeof *head + head->bytes));

    if (n != (ssize_t)bytes)
        return n == -1 ? -errno : -ENOSPC;
    head->checksum = checksum(head->checksum, data, bytes);
    head->bytes += bytes;
    return 0;
}

int
image_write(const struct keeper *k, int *ret_fd)
{
    struct image_head head = {.magic = IMAGE_MAGIC,
                              .version = IMAGE_VERSION,
                              .pid = getpid(),
                              .previous_fd = k->facts.previous_fd,
                              .lost = k->obituaries.lost,
                              .n_kept = k->kept.n,
                              .checksum = FNV_BASIS};
    auto_fd int fd = memfd_create("stint: keeper", MFD_CLOEXEC);
    const struct keeper_obituary *o;
    uint64_t cursor = 0;
    int r;

    if (fd == -1)
        return -errno;
    r = put(fd, &head, &k->facts, sizeof k->facts);
    if (r == 0)
        r = put(fd, &head, k->kept.entries, k->kept.n * sizeof k->kept.entries[0]);
    for (; r == 0 && (o = obituaries_from(&k->obituaries, &cursor)); cursor++) {
        r = put(fd, &head, o, sizeof *o);
        head.n_obituaries++;
    }
    if (r == 0 && pwrite(fd, &head, sizeof head, 0) != (ssize_t)sizeof head)
        r = -EIO;
    if (r == 0)
        *ret_fd = steal_fd(fd);
    return r;
}

static bool
is_whole(const struct image_head *head, const char *body, uint64_t bytes)
{
    uint64_t want = sizeof(struct facts) + head->n_kept * (uint64_t)sizeof(struct kept_entry) +
                    head->n_obituaries * (uint64_t)sizeof(struct keeper_obituary);

    return head->version == IMAGE_VERSION && head->bytes == want && bytes == want &&
           head->n_kept <= KEPT_MAX && head->n_obituaries <= OBITUARIES_MAX &&
           checksum(FNV_BASIS, body, want) == head->checksum;
}

static void
restore(struct keeper *k, const struct image_head *head, const char *body)
{
    struct kept_entry entry, *e;
    struct keeper_obituary o;

    memcpy(&k->facts, body, sizeof k->facts);
    body += sizeof k->facts;
    k->kept.room = KEPT_MAX;
    for (uint32_t i = 0; i < head->n_kept; i++, body += sizeof entry) {
        memcpy(&entry, body, sizeof entry);
        entry.name[sizeof entry.name - 1] = '\0';
        if (fd_cloexec(entry.fd, 1) == 0 && kept_put(&k->kept, entry.name, entry.fd, 0, &e) == 0)
            e->mirror = entry.mirror;
    }
    for (uint32_t i = 0; i < head->n_obituaries; i++, body += sizeof o) {
        memcpy(&o, body, sizeof o);
        obituaries_add(&k->obituaries, &o);
    }
    k->obituaries.lost = head->lost;
    if (k->facts.previous_fd >= 0 && fd_cloexec(k->facts.previous_fd, 1) < 0)
        k->facts.previous_fd = -1;
}

int
image_read(struct keeper *k, int fd, struct image_head *ret_head)
{
    struct image_head head;
    struct stat st;
    size_t bytes;
    char *whole;
    bool fine;

    if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode) || st.st_size < (off_t)sizeof head ||
        pread(fd, &head, sizeof head, 0) != (ssize_t)sizeof head || head.magic != IMAGE_MAGIC ||
        head.pid != getpid())
        return -ENOENT;
    *ret_head = head;
    bytes = (size_t)st.st_size;
    whole = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    if (whole == MAP_FAILED)
        return -EPROTO;
    fine = is_whole(&head, whole + sizeof head, bytes - sizeof head);
    if (fine)
        restore(k, &head, whole + sizeof head);
    (void)munmap(whole, bytes);
    return fine ? 0 : -EPROTO;
}

void
image_cloexec(const struct keeper *k, int on)
{
    for (uint32_t i = 0; i < k->kept.n; i++)
        (void)fd_cloexec(k->kept.entries[i].fd, on);
    if (k->facts.previous_fd >= 0)
        (void)fd_cloexec(k->facts.previous_fd, on);
}
