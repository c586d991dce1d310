/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/probe/remote.h"

#include <errno.h>
#include <sys/uio.h>

#define PAGE       UINT64_C(4096) /* the smallest there is: pieces of a larger one do no harm */
#define PIECES_MAX (REMOTE_SOME_MAX / PAGE + 1)

static ssize_t
vectors_read(struct remote *remote, const struct iovec *to, unsigned long n_to,
             const struct iovec *from, unsigned long n)
{
    ssize_t r;

    if (remote->refused)
        return remote->refused;
    r = process_vm_readv(remote->pid, to, n_to, from, n, 0);
    if (r >= 0)
        return r;
    if (errno == EPERM || errno == ENOSYS)
        remote->refused = -errno;
    return -errno;
}

static ssize_t
pieces_read(struct remote *remote, const struct iovec *from, unsigned long n, void *buf,
            size_t bytes)
{
    struct iovec to = {buf, bytes};

    return vectors_read(remote, &to, 1, from, n);
}

int
remote_read(struct remote *remote, uint64_t address, void *buf, size_t bytes)
{
    /* An address of that process is no pointer of ours; the kernel wants it in that shape. */
    struct iovec from = {(void *)(uintptr_t)address, bytes}; /* NOLINT(performance-no-int-to-ptr) */
    ssize_t r = pieces_read(remote, &from, 1, buf, bytes);

    if (r < 0)
        return (int)r;
    return (size_t)r == bytes ? 0 : -EFAULT;
}

ssize_t
remote_read_some(struct remote *remote, uint64_t address, void *buf, size_t bytes)
{
    struct iovec from[PIECES_MAX];
    unsigned long n = 0;
    ssize_t r;

    if (bytes > REMOTE_SOME_MAX)
        bytes = REMOTE_SOME_MAX;
    /* The kernel reads a piece whole or not at all: so one for each page. */
    for (size_t done = 0; done < bytes && address + done >= address; n++) {
        size_t piece = (size_t)(PAGE - (address + done) % PAGE);

        if (piece > bytes - done)
            piece = bytes - done;
        from[n] = (struct iovec){
            (void *)(uintptr_t)(address + done), /* NOLINT(performance-no-int-to-ptr) */
            piece};
        done += piece;
    }
    r = n > 0 ? pieces_read(remote, from, n, buf, bytes) : 0;
    return r == -EFAULT ? 0 : r;
}

void
remote_read_pieces(struct remote *remote, struct remote_piece *pieces, size_t n)
{
    struct iovec to[REMOTE_PIECES_MAX], from[REMOTE_PIECES_MAX];

    for (size_t i = 0; i < n; i++) {
        to[i] = (struct iovec){pieces[i].to, pieces[i].bytes};
        from[i] = (struct iovec){
            (void *)(uintptr_t)pieces[i].address, /* NOLINT(performance-no-int-to-ptr) */
            pieces[i].bytes};
        pieces[i].done = 0;
    }
    for (size_t i = 0; i < n;
         i++) { /* the kernel ends at the first that is not all there: go on behind it */
        ssize_t r = vectors_read(remote, to + i, n - i, from + i, n - i);

        if (r < 0 && r != -EFAULT)
            return;
        for (size_t left = r > 0 ? (size_t)r : 0; i < n; i++) {
            pieces[i].done = left < pieces[i].bytes ? left : pieces[i].bytes;
            left -= pieces[i].done;
            if (pieces[i].done < pieces[i].bytes)
                break;
        }
    }
}
