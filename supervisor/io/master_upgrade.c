/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/units.h"
#include "supervisor/io/fdstore.h"
#include "supervisor/io/master.h"
#include "supervisor/io/master_books.h"
#include "supervisor/io/master_state.h"
#include "supervisor/io/operator.h"
#include "supervisor/io/run.h"
#include "supervisor/io/state.h"

/*
 * Another program takes over from this one: it is what happens when a master is killed, on purpose.
 *
 *   path ─▶ the new program reads the live state, in a child ─▶ the keeper becomes it ─▶ we exit
 *
 * Until the keeper has said yes, nothing has changed.
 */

#define PROOF_PATIENCE_US (30 * US_PER_S)

extern char **environ;

static void
upgrade_failed(struct master *m, const char *words)
{
    journal_say(m->journal, LOG_LEVEL_ERROR, "upgrade_failed", "%s: %s; this program goes on",
                m->next_path, words);
    m->next_fd = fd_close(m->next_fd);
    operator_upgraded(m->desk, false, words);
}

static void
on_proved(void *env, const struct run_result *result)
{
    struct master *m = env;
    char how[256], words[512];
    size_t n = result->output_bytes;
    int r;

    m->proof = NULL;
    if (!run_succeeded(result)) {
        while (n > 0 && result->output[n - 1] == '\n')
            n--;
        (void)snprintf(words, sizeof(words), "it cannot read the live state: %s%s%.*s",
                       run_explain(result, how, sizeof(how)), n > 0 ? ": " : "",
                       (int)(n < 300 ? n : 300), result->output);
        upgrade_failed(m, words);
        return;
    }
    r = fdstore_upgrade(m->fdstore, m->next_path, m->next_fd);
    if (r < 0)
        upgrade_failed(m, strerrordesc_np(-r));
}

/* The program at the path that ours was started from, which a package may have replaced since. */
static char *
own_path(void)
{
    static const char deleted[] = " (deleted)";
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

    if (n <= 0)
        return NULL;
    path[n] = '\0';
    if ((size_t)n > strlen(deleted) && strcmp(path + n - strlen(deleted), deleted) == 0)
        path[(size_t)n - strlen(deleted)] = '\0';
    return strdup(path);
}

int
upgrade_begin(struct master *m, const char *path, struct error *reterr)
{
    auto_free char *next = path ? strdup(path) : own_path();
    char verb[] = "prove-state", state[64];
    char *argv[] = {next, verb, state, NULL};
    struct run_request rq = {.argv = argv,
                             .envp = environ,
                             .umask = (mode_t)-1,
                             .deadline_us = mono_now_us() + PROOF_PATIENCE_US,
                             .on_done = on_proved,
                             .env = m};
    auto_fd int fd = next ? open(next, O_RDONLY | O_CLOEXEC) : -1;
    int r;

    if (m->proof || m->next_fd >= 0)
        return error_say(reterr, -EBUSY, "an upgrade is under way already");
    if (m->core->stopping)
        return error_say(reterr, -ECANCELED, "stint is stopping");
    if (fd == -1)
        return error_set(reterr, next ? -errno : -ENOMEM, "open '%s'", next ? next : "?");
    (void)snprintf(state, sizeof(state), "/proc/%d/fd/%d", (int)getpid(), state_fd(m->state));
    r = run_start(m->loop, &rq, &m->proof, reterr);
    if (r < 0)
        return r;
    free(m->next_path);
    m->next_path = steal(next);
    m->next_fd = steal_fd(fd);
    journal_say(m->journal, LOG_LEVEL_INFO, "upgrade", "%s is asked whether it can go on here",
                m->next_path);
    return 0;
}

void
upgrade_answered(struct master *m, int error)
{
    if (error) {
        upgrade_failed(m, error == -ENOEXEC ? "the keeper cannot run it" : strerrordesc_np(-error));
        return;
    }
    journal_say(m->journal, LOG_LEVEL_INFO, "making_way", "%s goes on here", m->next_path);
    save_turn(m);
    m->making_way = true;
    ev_break(m->loop, EVBREAK_ALL);
}

void
upgrade_finish(struct master *m)
{
    run_cancel(steal(m->proof));
    m->next_fd = fd_close(m->next_fd);
    free(steal(m->next_path));
}

/* ---- the other side of it ---------------------------------------------------------------------- */

int
master_prove(const char *state_path)
{
    struct error err = {0};
    auto_fd int fd = open(state_path, O_RDONLY | O_CLOEXEC);
    int r = fd < 0 ? error_set(&err, -errno, "open '%s'", state_path) : 0;

    if (r == 0)
        r = restore_proof(fd, &err);
    if (r < 0)
        (void)printf("%s\n", err.text);
    else
        (void)printf("stint %s can\n", STINT_VERSION);
    return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
