/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "actor_count.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Shared with a file, so that even a SIGKILL leaves behind how many lines were written in full. */
static volatile uint64_t *count;
static bool open_line;

bool
actor_counts(void)
{
    return count != NULL;
}

void
actor_count_begin(const char *folder)
{
    char path[512];
    int fd;

    (void)snprintf(path, sizeof(path), "%s/%d", folder, (int)getpid());
    fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd == -1 || ftruncate(fd, sizeof(*count)) == -1)
        exit(89);
    count = mmap(NULL, sizeof(*count), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (count == MAP_FAILED)
        exit(89);
    (void)close(fd);
    actor_count_line();
}

/* The end of the line that is open, then the beginning of the next: who reads sees halves of lines. */
void
actor_count_line(void)
{
    char text[64];
    int n;

    if (!count)
        return;
    n = snprintf(text, sizeof(text), "process %d.\n", (int)getpid());
    if (open_line && write(STDOUT_FILENO, text, (size_t)n) != n)
        exit(87);
    *count = *count + open_line;
    open_line = true;
    n = snprintf(text, sizeof(text), "line %llu of ", (unsigned long long)*count + 1);
    if (write(STDOUT_FILENO, text, (size_t)n) != n)
        exit(87);
}
