/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_CONFIG_LOAD_H
#define STINT_CONFIG_LOAD_H

/* Private to config/: everything that is known while a configuration is being loaded. */
#include "config/config.h"
#include "config/reader.h"
#include "config/spec.h"

/* One service as it was found. */
struct entry {
    const struct node *name, *value;
    struct service_spec *spec; /* one reference; NULL while not read, or when it is no map */
};

struct load {
    struct reader reader;
    struct source **sources; /* owned, and their array; the main file first */
    size_t n_sources;
    size_t bytes;                /* of all sources */
    struct strv *inputs;         /* borrowed; NULL = not wanted: paths of all files looked at */
    const struct node *defaults; /* NULL = none, or not fit for use */
    struct entry *entries;       /* owned array, in order of appearance */
    size_t n_entries;
    struct entry **by_name; /* owned array: the same, sorted; valid once all are gathered */
    struct spec *spec;      /* owned */
    bool one_service;       /* the text is one service alone: service_spec_canonical() */
    bool in_memory;         /* there are no files to include */
    bool place_told;        /* the main file was read, and its runtime_dir is right or not there */
};

enum { INCLUDE_FILES_MAX = 64, INCLUDE_DEPTH_MAX = 4 };

/* load_file - read and take apart one file; @from is the pattern that named it, NULL: main file. */
void load_file(struct load *l, const char *name, const char *path, const struct node *from);
/* load_bytes - the same for text in memory; takes over @bytes. */
void load_bytes(struct load *l, const char *name, char *bytes, size_t n);

/* load_includes - the files that the list @n of patterns names. */
void load_includes(struct load *l, const struct node *n);

/* load_root - the keys of one file; its services are only noted. */
void load_root(struct load *l, const struct node *root);

/* load_services - note the services in map @n: they are read when the defaults are known. */
void load_services(struct load *l, const struct node *n);

/* load_all_services - read and validate what was noted. */
void load_all_services(struct load *l, enum config_check check);

/* entry_read - defaults, then the service's own keys. The spec is left NULL when there is no map. */
int entry_read(struct load *l, struct entry *e);

/* entry_node - where @key of a service is written, or its defaults, or its name. Never NULL. */
const struct node *entry_node(const struct load *l, const struct entry *e, const char *key);

/* entry_hook_node - the same for the command of a hook. */
const struct node *entry_hook_node(const struct load *l, const struct entry *e, enum hook h);

/* entry_find - by name; NULL = there is none. */
const struct entry *entry_find(const struct load *l, const char *name);

/* oneshot_settle - what a service of its type has no use for is as if nobody had said it. 0 or negative errno. */
int oneshot_settle(struct reader *r, const struct node *at, struct service_spec *s);

/* What cannot be seen in one key alone. Findings go to the reader. */
void validate_service(struct load *l, const struct entry *e);
void validate_signal(struct load *l, const struct entry *e);
void validate_preflight(struct load *l, const struct entry *e);
void validate_slots(struct load *l, const struct entry *e);
void validate_oneshot(struct load *l, const struct entry *e);
void validate_addresses(struct load *l);
void validate_dependencies(struct load *l);
void validate_log(struct load *l, const struct entry *e);
void validate_trace(struct load *l, const struct entry *e);
void validate_log_files(struct load *l);
void validate_export(struct load *l, const struct node *root);
void validate_system(struct load *l, const struct entry *e);

#endif
