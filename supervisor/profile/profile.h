/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PROFILE_PROFILE_H
#define STINT_PROFILE_PROFILE_H

/*
 * A profile as pprof reads it: stacks, each with its values and labels, and what is needed to name
 * them. Built here, written as gzipped profile.proto, read back (from anybody: the bytes may be
 * hostile), added and subtracted.
 *
 * For helper processes and the command line, never for the master's loop. One thread at a time. All
 * texts are copied; control characters and what is not UTF-8 become '?', since names come out of
 * somebody's process. A negative result is an errno; -ENOMEM leaves the profile as good as it was.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct profile; /* one in the making */

#define PROFILE_BYTES_MAX  ((size_t)64 << 20) /* unpacked, of one that is read */
#define PROFILE_TYPES_MAX  16
#define PROFILE_FRAMES_MAX 1024 /* of one stack; what is beyond is cut at the root */
#define PROFILE_LABELS_MAX 32   /* of one sample */

struct profile_type {
    const char *type, *unit; /* "cpu", "nanoseconds" */
};

/**
 * profile_new - an empty one.
 * @types:        what the values of each sample are; 1 to PROFILE_TYPES_MAX
 * @default_type: the one that is shown first; NULL: none is said
 */
int profile_new(struct profile **ret, const struct profile_type *types, size_t n,
                const char *default_type);
void profile_free(struct profile *p); /* NULL is fine */

static inline void
profile_free_ptr(struct profile **p)
{
    profile_free(*p);
}
#define auto_profile __attribute__((cleanup(profile_free_ptr)))

/* One event of @type stands for so many. Out of memory: it is not said. */
void profile_period(struct profile *p, struct profile_type type, int64_t period);
/* When it began, nanoseconds since 1970, and how long it took. */
void profile_time(struct profile *p, int64_t wall_ns, int64_t duration_ns);
/* A line for who reads it. One that is there already is not repeated. */
__attribute__((format(printf, 2, 3))) int profile_comment(struct profile *p, const char *format,
                                                          ...);

struct profile_mapping {
    uint64_t start, limit, offset;            /* in the process; of the file */
    const char *file, *build_id;              /* path; hex digits. NULL: not known */
    bool has_functions, has_files, has_lines; /* pprof need not look for them */
};

/* profile_mapping - @ret_id: for profile_frame. Equal ones are one; has_* of it are those that all have. */
int profile_mapping(struct profile *p, const struct profile_mapping *m, uint64_t *ret_id);

struct profile_frame {
    uint64_t address;     /* where it is; of a caller: within the call, not behind it */
    uint64_t mapping;     /* id, 0 = none */
    const char *function; /* NULL: pprof finds it by the mapping's file and build id */
    const char *file;     /* NULL: not known */
    int line;             /* 0: not known */
};

struct profile_label {
    const char *key;
    const char *text; /* NULL: it is the number. "": the label is left out */
    int64_t number;   /* pprof takes a 0 without a unit for no label */
    const char *unit; /* of the number; NULL = none */
};

/**
 * profile_sample - add one stack, leaf first.
 * @values: as many as there are types
 *
 * Samples with equal stacks and equal labels become one, whose values are added (and kept within int64).
 * Of two labels with one key the first counts.
 */
int profile_sample(struct profile *p, const struct profile_frame *frames, size_t n_frames,
                   const int64_t *values, const struct profile_label *labels, size_t n_labels);

/* profile_write - gzip, at once. Samples whose values are all 0 are left out. */
int profile_write(const struct profile *p, int fd, struct error *reterr);

/**
 * profile_read - gzip or plain, up to the end of the file.
 *
 * Return: 0; -EBADMSG: it is no profile, and the sentence says where; -EFBIG: more than
 * PROFILE_BYTES_MAX; -ENOMEM, -EIO ….
 */
int profile_read(struct profile **ret, int fd, struct error *reterr);
int profile_read_bytes(struct profile **ret, const void *bytes, size_t n, struct error *reterr);

/**
 * profile_merge - add all of @from, each value times @scale; -1 takes it away.
 *
 * Mappings are one when size, offset and build id (or file) are, wherever they lie: another process of the
 * same program is the same code. -EINVAL: the two have other types of values.
 */
int profile_merge(struct profile *into, const struct profile *from, int64_t scale);

/* profile_forget - leave out the labels of these keys, and add up what is equal then. NULL-terminated. */
int profile_forget(struct profile *p, const char *const *keys);

/* ---- what is in it -------------------------------------------------------------------------- */

size_t profile_samples(const struct profile *p);
size_t profile_types(const struct profile *p);
struct profile_type profile_type_at(const struct profile *p, size_t i); /* borrowed */
/* The one of that name; NULL: the default one, else the last. SIZE_MAX: there is none of that name. */
size_t profile_type_find(const struct profile *p, const char *type);
int64_t profile_total(const struct profile *p, size_t type);
size_t profile_comments(const struct profile *p);
const char *profile_comment_at(const struct profile *p, size_t i);
int64_t profile_duration_ns(const struct profile *p);

/* One stack, leaf first; borrowed for the call. One frame may be several (inlined ones) lines. */
struct profile_line {
    uint64_t address;
    const char *function, *file, *module; /* "" = not known */
    int64_t line;
};
struct profile_view {
    size_t sample;                    /* for profile_label_of() */
    const struct profile_line *lines; /* at most PROFILE_FRAMES_MAX */
    size_t n_lines;
    const int64_t *values;
};
/* profile_each - each sample in turn, until @see says something else than 0, which is returned. */
int profile_each(const struct profile *p, int (*see)(void *env, const struct profile_view *v),
                 void *env);
/* A label of sample @i. False: it has none of that key. */
bool profile_label_of(const struct profile *p, size_t i, const char *key,
                      struct profile_label *ret);

#endif
