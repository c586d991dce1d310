/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <sys/wait.h>

#include "tests/unit/unit.h"
#include "tests/unit/worker-api/master.h"

/* What the master does for a service with `preload: true`, and a program that knows nothing of it. */
struct guest {
    struct master master;
    pid_t pid;
    FILE *to, *from;
};

static struct guest
guest_start(const char *const argv[])
{
    struct guest g = {.master = master_start()};
    int in[2], out[2];
    char pid[16];

    ck_assert_int_eq(pipe(in), 0);
    ck_assert_int_eq(pipe(out), 0);
    g.pid = fork();
    if (g.pid == 0) {
        (void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
        if (dup2(in[0], 0) == -1 || dup2(out[1], 1) == -1 || setenv("LISTEN_PID", pid, 1) != 0 ||
            setenv("LD_PRELOAD", PRELOAD, 1) != 0 || unsetenv("STINT_CHANNEL") != 0)
            _exit(126);
        for (int i = 0; i < 2; i++) {
            (void)close(in[i]);
            (void)close(out[i]);
        }
        (void)execvp(argv[0], (char **)(uintptr_t)argv);
        _exit(127);
    }
    (void)close(in[0]);
    (void)close(out[1]);
    ck_assert_ptr_nonnull(g.to = fdopen(in[1], "w"));
    ck_assert_ptr_nonnull(g.from = fdopen(out[0], "r"));
    return g;
}

static void
expect_line(struct guest *g, const char *wanted)
{
    char line[256];

    ck_assert_ptr_nonnull(fgets(line, sizeof(line), g->from));
    ck_assert_str_eq(line, wanted);
}

static void
go_on(struct guest *g)
{
    ck_assert_int_ge(fputs("\n", g->to), 0);
    ck_assert_int_eq(fflush(g->to), 0);
}

/* Its exit status, after all that it had to say. */
static int
guest_end(struct guest *g)
{
    int status;

    (void)fclose(g->to);
    while (fgetc(g->from) != EOF)
        ;
    (void)fclose(g->from);
    ck_assert_int_eq(waitpid(g->pid, &status, 0), g->pid);
    return status;
}

static struct stint_registry_slot
slot_of(const struct guest *g, const char *name)
{
    struct stint_registry_slot slot;

    ck_assert_msg(master_find(&g->master, name, &slot) == 1, "no slot of '%s'", name);
    ck_assert_uint_eq(slot.flags & STINT_SLOT_PRELOAD, STINT_SLOT_PRELOAD);
    return slot;
}

static unsigned
slots_used(const struct guest *g)
{
    struct stint_registry_header header;

    ck_assert_int_eq(pread(g->master.registry, &header, sizeof(header), 0), sizeof(header));
    return header.slots.used;
}

static uint64_t
number_after(const char *line, const char *what)
{
    const char *at = strstr(line, what);

    ck_assert_msg(at, "no '%s' in '%s'", what, line);
    return strtoull(at + strlen(what), NULL, 16);
}

static void
by_argv(const char *const argv[])
{
    struct guest g = guest_start(argv);
    uint64_t work, work_c11, make;
    struct stint_registry_header header;
    struct stint_registry_slot slot;
    char line[256];

    ck_assert_ptr_nonnull(fgets(line, sizeof(line), g.from));
    work = number_after(line, "work ");
    work_c11 = number_after(line, "work_c11 ");
    make = number_after(line, "make ");
    ck_assert_int_eq(pread(g.master.registry, &header, sizeof(header), 0), sizeof(header));
    ck_assert_uint_eq(header.magic, STINT_REGISTRY_MAGIC);
    ck_assert_uint_eq(header.pid, (uint32_t)g.pid);
    ck_assert_uint_eq(header.slots.used, 5); /* and none of a shell before */
    slot = slot_of(&g, "main");
    ck_assert_uint_eq(slot.flags, STINT_SLOT_PRELOAD | STINT_SLOT_MAIN);
    ck_assert_uint_eq(slot.tid, (uint32_t)g.pid);
    slot = slot_of(&g, "early"); /* before main() */
    ck_assert_uint_eq(slot.start_pc, work);
    slot = slot_of(&g, "exits");
    ck_assert_uint_eq(slot.state, STINT_SLOT_LIVE);
    ck_assert_uint_eq(slot.start_pc, work);
    ck_assert(slot.creator_pc > make && slot.creator_pc < make + 1024);
    ck_assert_uint_eq(slot.creator_tid, (uint32_t)g.pid);
    ck_assert_str_ne(slot.creator_name, "");
    ck_assert_uint_ne(slot.tid, (uint32_t)g.pid);
    ck_assert(slot.deadline_us == INT64_MAX && slot.cancelled_us == 0);
    ck_assert_uint_gt(slot.alive_ns, 0);
    slot = slot_of(&g, "is cancelled");
    ck_assert_uint_eq(slot.state, STINT_SLOT_LIVE);
    ck_assert_int_eq(master_find(&g.master, "", &slot), 1); /* thrd_create() has no names */
    ck_assert_uint_eq(slot.start_pc, work_c11);

    go_on(&g);
    expect_line(&g, "left\n");
    ck_assert_uint_eq(slot_of(&g, "early").state, STINT_SLOT_DONE);
    ck_assert_uint_eq(slot_of(&g, "exits").state, STINT_SLOT_DONE);
    ck_assert_uint_eq(slot_of(&g, "is cancelled").state, STINT_SLOT_DONE);
    ck_assert_uint_eq(slot_of(&g, "main").state, STINT_SLOT_LIVE);
    go_on(&g);
    expect_line(&g, "children 0\n");
    ck_assert_uint_eq(slots_used(&g), 5); /* nobody else wrote here */
    ck_assert_int_eq(master_find(&g.master, "of a child", &slot), 0);
    go_on(&g);
    ck_assert_int_eq(guest_end(&g), 0);
}

START_TEST(threads_of_a_program_that_knows_nothing_are_registered)
{
    by_argv((const char *const[]){ACTOR, NULL});
}
END_TEST

START_TEST(a_shell_that_becomes_the_program_is_forgotten)
{
    by_argv((const char *const[]){"sh", "-c", "exec \"$0\"", ACTOR, NULL});
}
END_TEST

START_TEST(a_child_of_the_worker_is_not_the_worker)
{
    struct guest g =
        guest_start((const char *const[]){"sh", "-c", "\"$0\" short; echo $?", ACTOR, NULL});

    expect_line(&g, "0\n");
    ck_assert_int_eq(guest_end(&g), 0);
    ck_assert_uint_eq(slots_used(&g), 1); /* the shell itself */
    ck_assert_uint_eq(slot_of(&g, "main").tid, (uint32_t)g.pid);
}
END_TEST

START_TEST(what_links_libstint_registers_itself)
{
    struct stint_registry_slot slot;
    struct guest g = guest_start((const char *const[]){SPEAKER, NULL});

    expect_line(&g, "0\n");
    ck_assert_int_eq(master_find(&g.master, "main", &slot), 1);
    ck_assert_uint_eq(slot.flags, STINT_SLOT_MAIN);
    ck_assert_int_eq(master_find(&g.master, "spoken", &slot), 1);
    ck_assert_uint_eq(slot.flags & STINT_SLOT_PRELOAD, 0);
    ck_assert_uint_eq(slots_used(&g), 2);
    ck_assert_int_eq(guest_end(&g), 0);
}
END_TEST

/* ---- Programs of other people ------------------------------------------------------------ */

struct program {
    const char *name;
    const char *argv[8];
    const char *says;
    unsigned threads; /* registered ones, at least; 1 = main */
};

static const struct program programs[] = {
    {"python3",
     {"python3", "-c",
      "import threading, time\nts=[threading.Thread(target=time.sleep, args=(.01,)) for _ in "
      "range(8)]\n"
      "[t.start() for t in ts]; [t.join() for t in ts]; print('done')",
      NULL},
     "done\n",                                                                                           9},
    {"node",
     {"node", "-e",
      "const {Worker}=require('worker_threads');"
      "new Worker('1+1',{eval:true}).on('exit',()=>console.log('done'))",
      NULL},
     "done\n",                                                                                           5},
    {"java",    {"java", "-XX:+UseSerialGC", "-Xmx64m", "-version", NULL},                           "", 2},
    {"make",
     {"sh", "-c", "printf 'all: a b c\\na b c:\\n\\t@true\\n' | make -s -j3 -f - && echo done",
      NULL},
     "done\n",                                                                                           1},
    {"sh",
     {"sh", "-c", "for i in 1 2 3; do echo $i | cat | grep -c . >/dev/null; done; echo done", NULL},
     "done\n",                                                                                           1},
};

static bool
is_there(const char *name)
{
    char command[64];

    (void)snprintf(command, sizeof(command), "command -v %s >/dev/null", name);
    return system(command) == 0; /* NOLINT(concurrency-mt-unsafe,cert-env33-c) */
}

START_TEST(programs_of_other_people_go_on_as_before)
{
    const struct program *p = &programs[_i];
    struct guest g;

    if (!is_there(p->name)) {
        (void)printf("Skipped: no %s\n", p->name);
        return;
    }
    g = guest_start(p->argv);
    if (p->says[0])
        expect_line(&g, p->says);
    ck_assert_int_eq(guest_end(&g), 0);
    ck_assert_uint_ge(slots_used(&g), p->threads);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("preload");
    TCase *guests = tcase_create("guests");

    tcase_set_timeout(guests, 60);
    tcase_add_test(guests, threads_of_a_program_that_knows_nothing_are_registered);
    tcase_add_test(guests, a_shell_that_becomes_the_program_is_forgotten);
    tcase_add_test(guests, a_child_of_the_worker_is_not_the_worker);
    tcase_add_test(guests, what_links_libstint_registers_itself);
    tcase_add_loop_test(guests, programs_of_other_people_go_on_as_before, 0,
                        (int)(sizeof(programs) / sizeof(programs[0])));
    suite_add_tcase(suite, guests);
    return unit_main(suite);
}
