/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_EXPORT_STATE_H
#define STINT_IO_EXPORT_STATE_H

/*
 * What the files export*.c share: export.c (on and off), export_feed.c (into the queue), export_pump.c (when what is
 * sent), export_sender.c (the process), export_settings.c, export_status.c.
 */
#include <ev.h>

#include "base/text.h"
#include "supervisor/export/queue.h"
#include "supervisor/export/wire.h"
#include "supervisor/io/export.h"
#include "supervisor/io/journal.h"
#include "supervisor/io/spans.h"

#define EXPORT_BATCH_BYTES ((size_t)1 << 20) /* of rows in one request … */
#define EXPORT_BATCH_ROWS  ((size_t)2048)
#define EXPORT_MUCH_BYTES  ((size_t)256 << 10) /* … which is not put off when there is so much */
#define EXPORT_MUCH_ROWS   ((size_t)512)
#define EXPORT_GRACE_US    INT64_C(5000000)  /* of the process that sends, beyond the timeout */
#define EXPORT_AGAIN_US    INT64_C(1000000)  /* after one that died, the next one starts */
#define EXPORT_DEATHS_MAX  3                 /* over the same rows: then it is theirs */
#define EXPORT_TELL_US     INT64_C(60000000) /* the same trouble is told so often at most */

struct sender_process;

/* What is said in the configuration, and kept with the queue. */
struct export_settings {
    char *text;     /* owned; the JSON of supervisor/export/wire.h, and the following */
    char *endpoint; /* owned */
    bool reloads, spans, logs;
    int64_t timeout_us, every_us;
};

/* One signal: its own requests, one at a time. */
struct lane {
    struct exporter *exporter;
    enum otlp_signal signal;
    unsigned tries;          /* that failed in a row */
    unsigned deaths;         /* of processes that were at it */
    uint64_t number;         /* of the request under way … */
    uint64_t to;             /* … the position behind its rows */
    size_t rows;             /* … */
    size_t most_bytes;       /* of the next one */
    int64_t late_us;         /* CLOCK_MONOTONIC: … when it has to be answered */
    int64_t since_us;        /* since when something waits; 0: nothing does */
    int64_t next_us;         /* before that there is no next try; 0: any time */
    int64_t failing_us;      /* since when none has succeeded; 0: the last one did */
    int64_t error_wall_us;   /* when … */
    int64_t told_refused_us; /* CLOCK_MONOTONIC */
    bool flying;             /* there is a request under way */
    bool urgent;             /* the pump was told that it is much */
    bool full;               /* rows are dropped … */
    bool full_told;          /* … and that was said */
    bool last_try;           /* exporter_flush(): … has failed */
    char error[256];         /* … went wrong what; "" = nothing yet */
};

struct exporter {
    struct ev_loop *loop; /* borrowed */
    struct exporter_options options;
    struct export_queue queue;
    struct export_settings settings;
    struct lane lane[OTLP_SIGNALS];
    struct journal_watch lines;
    struct spans_watch ends;
    struct text row; /* scratch */
    ev_timer pump;
    uint64_t spans_seen, last_number;
    struct sender_process *sender; /* owned by its own end; NULL: there is none */
    int64_t start_us;              /* the next one may be started; CLOCK_MONOTONIC */
    uint64_t starts;
    bool on, finishing;
    bool dead_told;   /* that it died, since it last worked */
    char failed[256]; /* why it cannot be started; "" = it can */
};

/* ---- export_feed.c */
void export_feed_begin(struct exporter *x, bool all);
void export_feed_end(struct exporter *x);

/* ---- export_pump.c */
void export_pump(struct exporter *x); /* whatever is due */
void export_pump_soon(struct exporter *x);
void export_came(struct lane *l); /* a row was put, or there was no room for it */
void export_answered(struct exporter *x, const struct export_answer *a);
void export_sender_gone(struct exporter *x, const char *why, bool died);
bool export_last_tries(struct exporter *x); /* false: all were made and answered */

/* ---- export_sender.c */
int sender_order(struct exporter *x,
                 const struct export_order *order); /* starts it when there is none */
void sender_end(struct exporter *x);                /* on_end() does not come */
pid_t sender_pid(const struct exporter *x);
void sender_wait(struct exporter *x, int64_t until_us); /* for one answer, outside of the loop */

/* ---- export_settings.c */
char *export_settings_text(const struct export_spec *spec); /* malloc()ed; NULL: no memory */
int export_settings_read(const char *text, struct export_settings *ret);
void export_settings_finish(struct export_settings *s);

#endif
