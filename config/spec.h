/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_CONFIG_SPEC_H
#define STINT_CONFIG_SPEC_H

/*
 * What the user wants, as plain immutable data. A service_spec is built once by config_load(),
 * never changed afterwards, and shared by reference: generations keep the spec they were made from.
 *
 * Every member below is one row of schema.def, or a group of rows. The *launch part* decides what
 * runs (a change means a new generation); the *policy part* is changed in place.
 * Strings are valid UTF-8 without NUL; paths are absolute and free of "//" and "/./".
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "base/digest.h"
#include "base/text.h"

/* A service stays; a oneshot runs to its end, and an exit with 0 is what was wanted of it. */
enum service_type { TYPE_SERVICE, TYPE_ONESHOT };

enum handoff_mode { HANDOFF_OVERLAP, HANDOFF_REPLACE, HANDOFF_SIGNAL };

enum ready_mode {
    READY_NOTIFY, /* READY=1 on NOTIFY_SOCKET, or READY on the libstint channel */
    READY_FD,     /* a newline on the inherited descriptor (s6 style) */
    READY_FILE,   /* a file rewritten since spawn that holds a pid of the worker's tree */
    READY_EXEC,   /* a command that exits 0 */
    READY_ASSUME, /* alive for a while: weak, and shown as such */
    READY_TCP,    /* a TCP connect to an address this generation alone binds */
    READY_HTTP    /* a GET answered 2xx or 3xx, same condition */
};

struct ready_spec {
    enum ready_mode mode;
    int fd;            /* READY_FD: number in the worker */
    char *file;        /* READY_FILE: absolute; a relative one is relative to `directory` */
    struct strv exec;  /* READY_EXEC: argv */
    int64_t assume_us; /* READY_ASSUME */
    char *address;     /* READY_TCP "tcp://HOST:PORT"; READY_HTTP the URL */
};

/* Commands of the service's owner, at three moments in the life of a generation. */
enum hook {
    HOOK_NONE,
    HOOK_BEFORE_START, /* before its first worker; may refuse it */
    HOOK_ANNOUNCE,     /* before it drains */
    HOOK_RETIRED,      /* after its certificate */
    HOOK_COUNT
};

struct hook_spec {
    struct strv command; /* argv; n == 0: none */
    int64_t timeout_us;
};

enum listener_family { LISTENER_TCP, LISTENER_UNIX };

struct listener_spec {
    char *name;    /* [A-Za-z0-9_.-]{1,64}: a label, not the identity */
    char *address; /* canonical: "tcp://0.0.0.0:8080", "tcp://[::]:80", "unix:/run/x.sock" */
    enum listener_family family;
    char *host;    /* tcp: numeric host, without brackets */
    uint16_t port; /* tcp */
    char *path;    /* unix: absolute path */
    mode_t mode;   /* unix: default 0666 */
    char *owner;   /* unix: user name, NULL = unchanged */
    char *group;   /* unix: group name, NULL = unchanged */
    int backlog;   /* default 4096 (the kernel caps it at somaxconn) */
    bool nonblocking;
};

/* Where what the workers print goes. */
enum service_log_to { LOG_TO_STDERR, LOG_TO_JOURNAL, LOG_TO_FILE };
enum service_log_format { LOG_LINES_RAW, LOG_LINES_LOGFMT, LOG_LINES_JSON };

struct service_log {
    enum service_log_to to;
    enum service_log_format format; /* of a file's lines */
    char *file;                     /* absolute; NULL: none is named */
    char *owner, *group;            /* of the file; NULL = stint's own */
    uint64_t max_size;              /* bytes of the file before it is rotated; 0 = never for that */
    int64_t max_age_us;             /* 0 = never for that */
    uint64_t buffer;                /* bytes that may wait for the file */
    int64_t block_us;               /* a worker waits no longer than this for its log */
    unsigned keep;                  /* rotated ones */
    mode_t mode;
    bool timestamp; /* before each raw line */
};

/* How the lines of a service tell of their trace. */
enum trace_format { TRACE_AUTO, TRACE_JSON, TRACE_LOGFMT, TRACE_TEXT };

struct service_trace {
    bool lint; /* look at each line, and count */
    enum trace_format format;
    char *trace_id, *span_id; /* the keys of their ids; NULL = by their usual names */
};

struct limit_spec {
    int resource; /* RLIMIT_… */
    rlim_t soft, hard;
};

/* How many threads of a kind there may be, and how old. */
struct leak_budget {
    char
        *thread; /* fnmatch(3) pattern of names; others are matched by the function they began in */
    unsigned max;       /* of them at once */
    int64_t max_age_us; /* 0 = any */
};

struct environment_entry {
    char *name, *value;
};

/* How a header says a timeout; `grpc` is the notation of grpc-timeout. */
enum timeout_unit { TIMEOUT_S, TIMEOUT_MS, TIMEOUT_US, TIMEOUT_GRPC };

struct timeout_header {
    char *name; /* in lower case, of [a-z0-9-] */
    enum timeout_unit unit;
};

/* How long somebody waits for an answer. */
struct named_timeout {
    char *name; /* of a caller or a service; "*" = every other */
    int64_t us;
    char *file;            /* owned; where it is written, for warnings; NULL: that is not known */
    unsigned line, column; /* … there, from 1 */
};

struct named_timeouts {
    struct named_timeout *of; /* owned; sorted by name */
    size_t n;
};

/* How long a request may take. What the program is told is of the launch part, the rest is policy. */
struct deadline_policy {
    int64_t default_us;   /* for a request that says nothing; 0 = no limit */
    int64_t max_us;       /* for every request; 0 = no limit */
    char *none;           /* why there is neither, on purpose; NULL: nobody said */
    int64_t reserve_us;   /* of what is left, not handed on with a call */
    int64_t tolerance_us; /* later than that it is an overrun */
    struct timeout_header *headers;
    size_t n_headers;
    int64_t look_us;               /* who is over it now is looked for that often; 0 = never */
    struct named_timeouts clients; /* by caller: it waits no longer than that */
    struct named_timeouts calls;   /* by service: it is called with that timeout */
};

/* How `stint preflight` may start the service beside itself. Texts may hold {cage}, {listen.NAME}. */
struct preflight_spec {
    struct strv command; /* n == 0: that of the service */
    struct environment_entry *environment;
    size_t n_environment;
    char *ready_file;    /* NULL: that of the service */
    struct strv listens; /* what the program binds by itself: "tcp://HOST:PORT" or "tcp://HOST:*" */
    struct strv load;    /* argv; n == 0: none */
    char *url;           /* NULL: none */
    struct environment_entry *headers; /* of its requests */
    size_t n_headers;
    int64_t load_timeout_us;
    unsigned requests, reloads;
    unsigned workers; /* 0: as many as the service has */
    bool hooks;
    bool may; /* the block is there: without it nothing is started */
};

/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): in the order of the table */
struct service_spec {
    unsigned references; /* service_spec_ref/unref only; one thread */

    /* launch part */
    char *name;
    struct strv command; /* argv; [0] may be relative to `directory` or looked up in PATH */
    enum service_type type;
    char *directory; /* absolute; default: the directory of the config file */
    struct listener_spec *listen;
    size_t n_listen;
    bool libstint;
    bool preload; /* its threads are registered by the preload object; never with libstint */
    bool gated;   /* the listeners are given by the channel, once the generation is ready */
    struct ready_spec ready;
    struct environment_entry *environment;
    size_t n_environment;
    char *env_file; /* NULL = none; absolute path, watched */
    bool clean_environment;
    char *user, *group; /* NULL = stint's own */
    mode_t umask;       /* (mode_t)-1 = stint's own */
    struct limit_spec *limits;
    size_t n_limits;
    char *probe_listener; /* NULL, or the address each generation binds for itself, port may be 0 */

    /* policy part */
    unsigned workers;
    bool watch_binary;
    struct strv watch_paths; /* absolute */
    int64_t settle_us;
    struct strv check; /* argv; n == 0: none */
    int64_t check_timeout_us;
    struct hook_spec hooks[HOOK_COUNT]; /* by enum hook; HOOK_NONE is none */
    enum handoff_mode handoff;
    bool require_preflight; /* who serves is relieved by nothing that has not passed */
    struct preflight_spec preflight;
    int64_t soak_us;   /* both generations serve this long before the old one is relieved */
    int reload_signal; /* HANDOFF_SIGNAL: asks a worker to take over its new input; default SIGHUP */
    int64_t reload_timeout_us; /* … what it began is done within this time */
    int64_t reload_assume_us;  /* … alive for so long, and saying nothing, is taken for done */
    enum handoff_mode signal_fallback; /* … when a signal cannot do it: no HANDOFF_SIGNAL here */
    int64_t start_timeout_us;
    int64_t run_timeout_us;   /* oneshot: ends a run that takes longer; 0 = none does */
    int drain_signal;         /* default SIGTERM */
    int64_t drain_timeout_us; /* from the drain signal to the verdict */
    int stop_signal;          /* sent at the drain deadline when it differs from drain_signal */
    int64_t leak_grace_us;    /* from the verdict to SIGKILL */
    int64_t announce_delay_us;
    unsigned max_draining;
    struct strv depends_on; /* names of services that must be ready before this one starts … */
    struct strv depends_completed; /* … but for these of them: oneshots that must have completed */
    int64_t backoff_first_us, backoff_max_us;
    unsigned limit_count;    /* a candidate is rejected after this many failures … */
    int64_t limit_within_us; /* … within this time */
    bool give_up;            /* … and a generation that has served, too */
    bool retry;              /* oneshot: up to that limit it is tried again */
    struct service_log log;
    struct service_trace trace;
    unsigned restart_requests; /* a worker is relieved after so many; 0 = never */
    unsigned restart_jitter;   /* in percent: its limits are lower by a part of up to that */
    int64_t restart_age_us;    /* … so long after it was ready; 0 = never */
    uint64_t restart_rss_bytes;
    int64_t restart_every_us; /* requests and rss are looked at that often */
    int64_t leak_look_us;     /* so long after it serves its threads are looked at; 0 = never */
    int64_t leak_every_us;    /* with a budget they are looked at that often */
    struct leak_budget *leak_budget;
    size_t n_leak_budget;
    struct deadline_policy deadlines; /* its first part is of the launch part */
    struct {
        bool cpu, heap, threads; /* such a profile may be taken of its workers */
    } profiling;
};

/* How a generation relieves another when processes have to be started for it. */
static inline enum handoff_mode
service_spec_handoff(const struct service_spec *s)
{
    return s->handoff == HANDOFF_SIGNAL ? s->signal_fallback : s->handoff;
}

/* Whether its workers get a notify socket: who is assumed to be ready knows nothing of us. */
static inline bool
service_spec_speaks(const struct service_spec *s)
{
    return s->ready.mode != READY_ASSUME || s->libstint || s->handoff == HANDOFF_SIGNAL;
}

/* A cgroup for each generation: where ours was delegated, never, or wherever we stand. */
enum cgroup_mode { CGROUP_AUTO, CGROUP_OFF, CGROUP_ON };

enum log_format { LOG_AUTO, LOG_LOGFMT, LOG_JSON, LOG_JOURNAL };
enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR };

/* What a collector is sent, and how. */
struct export_spec {
    char *endpoint; /* http:// or https://, no slash at its end; NULL: nothing is sent to anybody */
    char *headers_file, *ca_file;      /* absolute; NULL: none */
    struct environment_entry *headers; /* sorted by name, which is in lower case */
    size_t n_headers;
    int64_t timeout_us, every_us;
    uint64_t queue; /* bytes that may wait, of spans and of lines each */
    bool reloads, spans, logs, gzip;
};

/* A whole configuration: main file and includes, defaults applied. */
struct spec {
    char *path;        /* absolute path of the main file */
    char *runtime_dir; /* sockets; default /run/stint */
    char *state_dir;   /* generation numbers; default /var/lib/stint */
    enum cgroup_mode cgroup;
    enum log_format log_format;
    enum log_level log_level;
    struct export_spec export;
    int64_t stop_budget_us;
    unsigned max_starting;          /* workers at once; 0 = as the machine has processors */
    struct service_spec **services; /* in order of appearance; each holds one reference */
    size_t n_services;
    struct strv inputs;      /* absolute paths of every file that was read, to be watched */
    struct strv directories; /* directories that include patterns look into, to be watched */
    struct digest digest;    /* of the bytes of all inputs: equal = the same configuration text */
};

/**
 * service_spec_ref / service_spec_unref - shared ownership, one thread, no locks.
 * unref(NULL) does nothing; the last unref frees.
 */
struct service_spec *service_spec_ref(struct service_spec *s);
void service_spec_unref(struct service_spec *s);
void spec_destroy(struct spec *s); /* NULL is fine; drops its reference to each service */

/**
 * service_spec_canonical - the one YAML text of @s: every key, fixed order, exact values.
 * spec_parse_canonical(service_spec_canonical(s)) equals s (property-tested).
 */
void service_spec_canonical(const struct service_spec *s, struct text *out);

/* The digest of the launch part of the canonical text: equal means "the same program, started alike". */
struct digest service_spec_launch_digest(const struct service_spec *s);
bool service_spec_equal(const struct service_spec *a, const struct service_spec *b);

/*
 * {slot} in `command`, in values of `environment` and in `ready` is another number for each worker
 * of a generation. A spec holds it as it was written; {{slot}} stands for the text "{slot}".
 *
 * slot_in_text - does it stand there, other than as {{slot}}?
 * slot_text    - @text as the worker in @slot gets it; owned by the caller; NULL: no memory
 * slot_argv    - the same for each of @argv; *ret is untouched on failure. Return: 0 or -ENOMEM.
 */
bool slot_in_text(const char *text);
char *slot_text(const char *text, unsigned slot);
int slot_argv(const struct strv *argv, unsigned slot, struct strv *ret);

const char *hook_name(enum hook h); /* "before_start" …, as in the configuration */

/* Of @name, which is in depends_on: has it to be completed, and not ready? */
bool service_awaits_completion(const struct service_spec *s, const char *name);

const char *timeout_unit_name(enum timeout_unit unit); /* "s", "ms" …, as in the configuration */

/* Does somebody want the spans of workers? Without, none are recorded. */
static inline bool
spec_wants_worker_spans(const struct spec *s)
{
    return s->export.endpoint && s->export.spans;
}

/* What a change of a spec asks for; the larger wins. */
enum reload_class {
    RELOAD_NONE,
    RELOAD_IN_PLACE,
    RELOAD_NEW_GENERATION,
    RELOAD_RESTART /* keys outside `services` only: takes effect when stint itself starts again */
};

/**
 * service_spec_diff - the strongest reload class among the keys that differ.
 * @ret_keys: may be NULL; the names of the differing keys, comma separated, are appended
 */
enum reload_class service_spec_diff(const struct service_spec *a, const struct service_spec *b,
                                    struct text *ret_keys);

/*
 * spec_diff - the same for the keys outside `services` (runtime_dir, log.level, …), but only those of
 * the strongest class are named: who is told what waits for a new start is not told what does not.
 */
enum reload_class spec_diff(const struct spec *a, const struct spec *b, struct text *ret_keys);

#endif
