/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_SCENARIO_HARNESS_H
#define STINT_TESTS_SCENARIO_HARNESS_H

/*
 * A stage for the real program: a directory of its own, a configuration, a master, an actor as the
 * service. What happens is read from the master's log; every wait names its deadline; nothing sleeps.
 * A failed wait fails the test and shows the whole log.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

#include "tests/unit/unit.h"

/* Around every test (a checked fixture): makes and removes the stage, ends whatever was started. */
void scn_begin(void);
void scn_end(void);

/* The stage's directory, and a path in it (valid until the next call). */
const char *scn_dir(void);
__attribute__((format(printf, 1, 2))) const char *scn_path(const char *fmt, ...);

/* scn_file - (re)place a file of the stage by rename, as a deploy or an editor does. */
__attribute__((format(printf, 2, 3))) void scn_file(const char *name, const char *fmt, ...);
/* scn_copy - replace a file of the stage by a copy of @from, executable; @extra bytes are appended. */
void scn_copy(const char *name, const char *from, const char *extra);
/* scn_config - the `services:` part; what the stage needs around it is added. Replaced by rename. */
__attribute__((format(printf, 1, 2))) void scn_config(const char *fmt, ...);

void scn_start(void); /* start the master; returns when it says that it started */
/* scn_launch - start it in a world that is less kind; does not wait for anything. */
struct scn_world {
    uid_t uid;           /* run as; the stage is given to that user; 0: as the test */
    unsigned capability; /* the one that this user has, CAP_…; 0: none */
    bool no_stderr;      /* descriptor 2 is closed */
    bool no_inotify;     /* in a user namespace of its own, where no inotify instance may be made */
    bool has_child; /* as after "something & exec stint run" in a shell; it ends with the master */
    const char *watchdog; /* --watchdog, borrowed; NULL: as it is by itself */
    bool slow_names; /* in a mount namespace of its own, where users are looked up by nss_slow.c */
    bool
        hidden_proc; /* … where /proc is mounted with hidepid=2: processes of others are not there */
    bool
        no_look; /* a seccomp filter forbids ptrace, process_vm_readv, perf_event_open … to it and all below */
};
/* Return: false: such a world cannot be made here; nothing was started. */
bool scn_launch(const struct scn_world *world);
bool scn_possible(const struct scn_world *world); /* can it be made here? Outside of any test. */
int scn_stop(void);                               /* SIGTERM; exit status within 20 s */
pid_t scn_keeper(void);   /* `stint run`, whose pid people know; 0: not started */
void scn_signal(int sig); /* … is what they signal */
pid_t scn_master(void);   /* the keeper's child that is the master now; 0: none */

/*
 * Times to wait are those of a machine with nothing else to do. A wait ends with its event, so more
 * patience costs a test that passes nothing: a busy machine is given SCN_PATIENCE times as long.
 */
#define SCN_PATIENCE 4

/* Words: fields of one log line, all of which must be in it, in any order ("event=verdict service=web"). */

/* scn_await - read on until such a line comes; the next await continues behind it. Return: the line. */
const char *scn_await(const char *words, int timeout_ms);
/* scn_await_any - the same over the whole log, read or not: for what may have come before. */
const char *scn_await_any(const char *words, int timeout_ms);
/* scn_rewind - let the next scn_await() start at the beginning again. */
void scn_rewind(void);
void scn_forget_log(void);             /* nobody will ever read it again: its pipe is closed */
const char *scn_log(void);             /* all of it until now; valid until the next call of any */
unsigned scn_count(const char *words); /* such lines until now */
/*
 * scn_did_not_block - no turn of the master's loop was blocked. What it computed does not count: under a
 * sanitizer and on a busy machine that may be anything, and bench/endurance looks at it.
 */
void scn_did_not_block(void);
bool scn_before(const char *earlier, const char *later); /* the first of each, in that order */
long scn_field(const char *line, const char *name);      /* number behind "name="; -1: not there */

/* scn_cli - run a verb of the program on the stage's master. Return: exit status; @ret_out: its output. */
int scn_cli(char **ret_out, const char *verb, ...) __attribute__((sentinel));

/* What the actor answers on the stage's socket: "GENERATION SLOT PID WORD"; -1: refused or cut. */
struct scn_answer {
    long generation, slot;
    pid_t pid;
    char word[64];
};
/* @socket_name: a unix socket of the stage, or "tcp" for scn_port() on 127.0.0.1. */
int scn_ask(const char *socket_name, struct scn_answer *ret);

/* A TCP port of 127.0.0.1 that was free at the stage's beginning; the same for the whole test. */
int scn_port(void);

bool scn_alive(pid_t pid); /* exists and is no zombie */
bool scn_await_gone(pid_t pid, int timeout_ms);
/* scn_kill_master - with SIGKILL; returns when the next one took over, and which process that is. */
pid_t scn_kill_master(void);
unsigned scn_fds(void); /* open descriptors of the master */

/* ---- harness_after.c ---- */

/* scn_ask_past - the same until no older one than @generation answers: who drains may still do so. */
void scn_ask_past(const char *socket_name, long generation, struct scn_answer *ret);

/*
 * scn_after - the end of a hostile story: the master lives, found no bug and no stall, has the
 * descriptors it had, and at its stop leaves no process behind. It is stopped then.
 */
void scn_after(unsigned fds);
unsigned scn_baseline(void); /* scn_fds() when what just happened is over for the master, too */
void scn_await_fds(unsigned fds); /* they are no more again, within some turns of its loop */
/* scn_nobody_left - no process runs an executable of the stage. */
void scn_nobody_left(void);
/* scn_fifo - a named pipe of the stage, kept open by us. Return: its descriptor, closed with the test. */
int scn_fifo(const char *name);
/* scn_fifo_read - a byte comes through it within the time. */
void scn_fifo_read(int fd, int timeout_ms);
void scn_fifo_write(int fd, unsigned bytes); /* let so many of those who wait for it go on */
/* scn_connect - to a unix socket of the stage, such as "run/control.sock". */
int scn_connect(const char *name);
/* scn_cpu_ms - processor time that the master has used. */
long scn_cpu_ms(void);
long scn_rss_kib(void);                    /* memory of the master now */
bool scn_sanitized(void);                  /* slow, and frees memory late */
void scn_grew_little(long rss_kib_before); /* less than 8 MiB since then */

/* scn_main_in - the same for tests that all need a @world; where it cannot be made they are skipped. */
#define scn_main_in(world, why, name, ...)       \
    static int run_tests(void);                  \
    int main(void)                               \
    {                                            \
        if (scn_possible(world))                 \
            return run_tests();                  \
        (void)printf("SKIPPED: here %s\n", why); \
        return 77;                               \
    }                                            \
    scn_tests(static int run_tests, name, __VA_ARGS__)

#define scn_main(name, ...) scn_tests(int main, name, __VA_ARGS__)

#define scn_tests(function, name, ...)                                \
    function(void)                                                    \
    {                                                                 \
        const TTest *const tests[] = {__VA_ARGS__};                   \
        Suite *suite = suite_create(name);                            \
        TCase *tc = tcase_create(name);                               \
        tcase_set_timeout(tc, 60 * SCN_PATIENCE);                     \
        tcase_add_checked_fixture(tc, scn_begin, scn_end);            \
        for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) \
            tcase_add_test(tc, tests[i]);                             \
        suite_add_tcase(suite, tc);                                   \
        return unit_main(suite);                                      \
    }

#endif
