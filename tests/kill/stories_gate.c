/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "stories.h"

/*
 * What goes on beside a handoff while somebody is struck: a look at what is left, a rehearsal and the door
 * that asks for it, a profile.
 */

#define PATIENCE_MS (60000 * SCN_PATIENCE)

/* `stint …` beside the story. It may start a master of its own, in which no place strikes. */
static pid_t
begin(const char *const *argv)
{
    pid_t pid = fork();
    int nothing;

    ck_assert_int_ge(pid, 0);
    if (pid > 0)
        return pid;
    (void)unsetenv("STINT_EDGE");
    (void)unsetenv("STINT_EDGE_ONCE");
    (void)unsetenv("STINT_EDGE_TRACE");
    (void)unsetenv("STINT_EDGE_HOLD");
    (void)setenv("TMPDIR", scn_dir(), 1);
    nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    (void)dup2(nothing, STDIN_FILENO);
    (void)dup2(STDERR_FILENO, STDOUT_FILENO);
    (void)execv(getenv("STINT_BINARY"), (char *const *)(const void *)argv);
    _exit(127);
}

/* Return: its exit status; it has to end. */
static int
end(pid_t pid)
{
    auto_fd int fd = pidfd_open(pid, 0);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int status = 0;

    ck_assert_int_ge(fd, 0);
    if (poll(&p, 1, PATIENCE_MS) != 1) {
        (void)kill(pid, SIGKILL);
        ck_abort_msg("`stint` does not end: process %d", (int)pid);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFEXITED(status), "`stint` died by signal %d", WTERMSIG(status));
    return WEXITSTATUS(status);
}

/* ---- who is left ------------------------------------------------------------------------------------- */

/*
 * The first generation leaves somebody behind: no environment, a session of his own, no pipe, deaf; but he
 * has the listener. Whichever master looks, he is named in the one certificate.
 */
void
play_survey(void)
{
    auto_free char *text = NULL;
    pid_t runaway;

    scn_config("  web:\n    command:\n      - /bin/sh\n      - -c\n      - |\n"
               "        mkdir once 2>/dev/null && {\n"
               "        (exec env -i setsid /bin/sh -c 'exec >/dev/null 2>&1; trap \"\" TERM; "
               "echo $$ >runaway; exec sleep 1000' &)\n"
               "        while ! [ -s runaway ]; do :; done\n"
               "        }\n"
               "        exec ./actor count=count ready\n"
               "    directory: %s\n    workers: 2\n    listen: {main: \"unix:%s/web.sock\"}\n"
               "    drain_timeout: 3s\n    leak_grace: 200ms\n",
               scn_dir(), scn_dir());
    serve();
    ck_assert_int_eq(file_read(scn_path("runaway"), 32, &text, NULL, NULL), 0);
    runaway = (pid_t)strtol(text, NULL, 10);
    cell_arm();
    reload();
    (void)scn_await_any(
        "event=certificate service=web gen=1 ~1+process+is+left ~holds+listener+main", 20000);
    ck_assert_int_gt(runaway, 1);
    ck_assert_msg(scn_alive(runaway), "he was killed, and is none of ours to kill");
    ck_assert_int_eq(kill(runaway, SIGKILL), 0);
}

/* ---- the door and what opens it ------------------------------------------------------------------------- */

#define REHEARSED                                       \
    "    handoff: {require_preflight: true}\n"          \
    "    watch: {settle: 50ms}\n"                       \
    "    preflight:\n      command: [./actor, ready]\n" \
    "      reloads: "

static pid_t
rehearse(void)
{
    static char config[256];
    const char *const argv[] = {"stint", "preflight", "web", "-c", config, NULL};

    (void)snprintf(config, sizeof(config), "%s", scn_path("stint.yaml"));
    return begin(argv);
}

/* Shut; opened by a pass; and then it stays open, whichever master asks. */
void
play_door(void)
{
    web("ready", REHEARSED "1\n");
    serve();
    cell_arm();
    scn_copy("actor", getenv("ACTOR_BINARY"), "another one");
    (void)scn_await_any("event=verdict service=web outcome=rejected", 20000);
    ck_assert_int_eq(ask("reload", "--wait=gone", NULL), 1);
    ck_assert_uint_eq(scn_count("event=worker_spawn service=web gen=2"), 0);
    ck_assert_int_eq(end(rehearse()), 0);
    /* one that was started may have been struck; it is told, and the door is as it was */
    if (ask("reload", "--wait=gone", NULL) != 0)
        ck_assert_int_eq(ask("reload", "--wait=gone", NULL), 0);
    (void)scn_await_any("event=verdict service=web outcome=serving", 20000);
}

/* While somebody rehearses another version, this one is handed over, past the door, and struck. */
void
play_preflight(void)
{
    pid_t pid;

    web("ready", REHEARSED "3\n");
    serve();
    pid = rehearse();
    cell_arm();
    reload();
    ck_assert_int_eq(end(pid), 0); /* it is none of the master's */
}

/* ---- a profile -------------------------------------------------------------------------------------------- */

/* It dies with the master that makes it, and who asked is told so; of the next one it can be had. */
void
play_profile(void)
{
    char socket_path[256], file[256];
    const char *const argv[] = {"stint",     "profile", "--socket", socket_path, "web", "--cpu",
                                "--seconds", "1",       "-o",       file,        NULL};
    auto_free char *out = NULL;
    pid_t pid;
    int r;

    (void)snprintf(socket_path, sizeof(socket_path), "%s", scn_path("run/control.sock"));
    (void)snprintf(file, sizeof(file), "%s", scn_path("cpu.pb.gz"));
    web("ready", "    profiling: {cpu: true, threads: true}\n");
    serve();
    pid = begin(argv);
    (void)scn_await_any("event=profile service=web kind=cpu outcome=begun", 20000);
    cell_arm();
    reload();
    r = end(pid);
    (void)fprintf(stderr, "stint profile: %d\n", r);
    ck_assert_msg(r == 0 || r == 1 || r == 69, "`stint profile` ended with %d", r);
    /* what is struck may be this one: of the next master it can be had */
    if (scn_cli(&out, "profile", "web", "--threads", NULL) == 69) {
        free(out);
        out = NULL;
        ck_assert_int_eq(scn_cli(&out, "profile", "web", "--threads", NULL), 0);
    }
}
