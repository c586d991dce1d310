/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/unit.h"
#include "tests/unit/worker-api/master.h"

struct stage {
    struct stint_token *hold; /* the thread leaves when this is cancelled */
    int started[2];           /* pipe: a byte when it runs */
    struct stint_thread *inner;
};

static void
stage_up(struct stage *stage)
{
    stage->hold = stint_token_new(NULL, "hold");
    stage->inner = NULL;
    ck_assert_int_eq(pipe(stage->started), 0);
}

static void
stage_wait(const struct stage *stage)
{
    struct pollfd p = {.fd = stage->started[0], .events = POLLIN};
    char byte;

    ck_assert_int_eq(poll(&p, 1, SOON_US / 1000), 1);
    ck_assert_int_eq(read(stage->started[0], &byte, 1), 1);
}

static void
stand(void *arg)
{
    struct stage *stage = arg;

    STINT_BLOCK("for the test", stage)
    {
        stint_beat();
        stint_beat();
        ck_assert_int_eq(write(stage->started[1], "x", 1), 1);
        stint_token_wait(stage->hold, STINT_NEVER);
    }
}

static void
spawn_inner(void *arg)
{
    struct stage *stage = arg;

    ck_assert_int_eq(stint_thread_spawn(&stage->inner, stint_current(), "inner", stand, stage), 0);
}

START_TEST(the_registry_says_who_a_thread_is_and_who_made_it)
{
    struct master m = master_start();
    struct stint_registry_header header;
    struct stint_registry_slot slot;
    struct stint_registry_site site;
    struct stint_thread *outer;
    struct stint_token *token;
    struct stage stage;

    ck_assert_int_eq(
        setenv("TRACEPARENT", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", 1), 0);
    ck_assert_int_eq(stint_init(NULL), 0);
    stage_up(&stage);
    token = stint_token_with_deadline(stint_root(), "pool", 9000000000000000);
    ck_assert_int_eq(stint_thread_spawn(&outer, token, "outer", spawn_inner, &stage), 0);
    ck_assert_int_eq(stint_thread_join(outer, NULL, soon()), 0);
    stage_wait(&stage);

    ck_assert_int_eq(pread(m.registry, &header, sizeof(header), 0), sizeof(header));
    ck_assert_uint_eq(header.magic, STINT_REGISTRY_MAGIC);
    ck_assert_uint_eq(header.major, STINT_REGISTRY_MAJOR);
    ck_assert_int_eq((pid_t)header.pid, getpid());
    ck_assert_uint_eq(header.slots.stride, sizeof(slot));
    ck_assert_uint_eq(header.slots.count, STINT_REGISTRY_SLOTS);
    ck_assert_uint_eq(header.slots.used, 3);
    ck_assert_uint_eq(header.overflow, 0);
    ck_assert_int_eq(master_find(&m, "inner", &slot), 1);
    ck_assert_uint_eq(slot.state, STINT_SLOT_LIVE);
    ck_assert_uint_gt(slot.alive_ns,
                      0); /* tests/unit/probe/registry_live_test.c finds the thread by it */
    ck_assert_uint_gt(slot.started_us, 0);
    ck_assert_uint_eq(slot.beats, 2);
    ck_assert_uint_eq(slot.cancelled_us, 0);
    ck_assert_uint_eq(slot.cause, 0);
    ck_assert_uint_eq(slot.flags, STINT_SLOT_JOINABLE);
    ck_assert(slot.start_pc == (uintptr_t)stand);
    ck_assert_uint_gt(slot.creator_pc, 0);
    ck_assert(slot.deadline_us == 9000000000000000);
    site = master_site(&m, slot.birth_site);
    ck_assert_uint_eq(site.kind, STINT_SITE_BIRTH);
    ck_assert_ptr_nonnull(strstr(site.file, "thread_test.c"));
    ck_assert_str_eq(site.function, "spawn_inner");
    ck_assert_uint_gt(site.line, 1);
    ck_assert_str_eq(slot.creator_name, "outer");
    ck_assert_uint_ne(slot.creator_tid, slot.tid);
    ck_assert_str_eq(slot.token, "pool");
    site = master_site(&m, slot.wait_site);
    ck_assert_uint_eq(site.kind, STINT_SITE_WAIT);
    ck_assert_str_eq(site.text, "for the test");
    ck_assert_str_eq(site.function, "stand");
    ck_assert(slot.wait_object == (uintptr_t)&stage);
    ck_assert_mem_eq(slot.trace_id,
                     "\x0a\xf7\x65\x19\x16\xcd\x43\xdd\x84\x48\xeb\x21\x1c\x80\x31\x9c",
                     sizeof(slot.trace_id));

    ck_assert_int_eq(master_find(&m, "outer", &slot), 1);
    ck_assert_uint_eq(slot.state, STINT_SLOT_DONE);
    ck_assert_str_eq(slot.creator_name, "main");
    ck_assert_int_eq(master_find(&m, "main", &slot), 1);
    ck_assert_int_eq((pid_t)slot.tid, getpid());
    ck_assert_str_eq(slot.token, "root");
    ck_assert_uint_eq(slot.flags, STINT_SLOT_MAIN);

    stint_token_cancel(stage.hold, STINT_CAUSE_USER, NULL);
    ck_assert_int_eq(stint_thread_join(stage.inner, NULL, soon()), 0);
    ck_assert_int_eq(master_find(&m, "inner", &slot), 1);
    ck_assert_uint_eq(slot.state, STINT_SLOT_DONE);
    stint_token_unref(stage.hold);
    stint_token_unref(token);
}
END_TEST

START_TEST(a_thread_that_ignores_its_token_is_shown_with_cause_and_time)
{
    struct master m = master_start();
    struct stint_registry_slot slot;
    struct stint_thread *thread, *late;
    struct stint_token *child;
    struct stage stage;

    stint_init(NULL);
    stage_up(&stage);
    child = stint_token_new(stint_root(), "child");
    ck_assert_int_eq(stint_thread_spawn(&thread, child, "stubborn", stand, &stage), 0);
    stage_wait(&stage);
    (void)raise(SIGTERM);
    ck_assert_int_eq(master_find(&m, "stubborn", &slot), 1);
    ck_assert_uint_eq(slot.cause, STINT_CAUSE_SIGNAL);
    ck_assert_uint_gt(slot.cancelled_us, slot.started_us);

    master_hello(&m);
    master_cancel(&m, STINT_CAUSE_RELIEVED, "relieved", INT64_MAX);
    ck_assert_int_eq(stint_dispatch(), 2);
    ck_assert_int_eq(master_find(&m, "stubborn", &slot), 1);
    ck_assert_uint_eq(slot.cause, STINT_CAUSE_RELIEVED);
    ck_assert_int_eq(stint_thread_join(thread, NULL, stint_now_us() + 1000), -ETIMEDOUT);

    ck_assert_int_eq(stint_thread_spawn(&late, child, "late", stand, &stage), 0);
    stage_wait(&stage);
    ck_assert_int_eq(master_find(&m, "late", &slot), 1);
    ck_assert_uint_eq(slot.cause, STINT_CAUSE_RELIEVED);

    stint_token_cancel(stage.hold, STINT_CAUSE_USER, NULL);
    ck_assert_int_eq(stint_thread_join(thread, NULL, soon()), 0);
    ck_assert_int_eq(stint_thread_join(late, NULL, soon()), 0);
    stint_token_unref(stage.hold);
    stint_token_unref(child);
}
END_TEST

static void
leave_by_pthread_exit(void *arg)
{
    (void)arg;
    pthread_exit(NULL);
}

START_TEST(pthread_exit_ends_the_registration_too)
{
    struct master m = master_start();
    struct stint_registry_slot slot;
    struct stint_thread *thread;

    stint_init(NULL);
    ck_assert_int_eq(
        stint_thread_spawn(&thread, stint_root(), "exits", leave_by_pthread_exit, NULL), 0);
    ck_assert_int_eq(stint_thread_join(thread, NULL, soon()), 0);
    ck_assert_int_eq(master_find(&m, "exits", &slot), 1);
    ck_assert_uint_eq(slot.state, STINT_SLOT_DONE);
}
END_TEST

static void *
foreign(void *arg)
{
    const struct master *m = arg;
    struct stint_registry_slot slot;

    ck_assert_ptr_null(stint_current());
    stint_beat(); /* without a slot: nothing */
    ck_assert_int_eq(stint_thread_adopt(stint_root(), "foreign"), 0);
    ck_assert_int_eq(stint_thread_adopt(stint_root(), "again"), -EBUSY);
    ck_assert_ptr_eq(stint_current(), stint_root());
    stint_thread_exempt("belongs to a library", 5000);
    ck_assert_int_eq(master_find(m, "foreign", &slot), 1);
    ck_assert_uint_eq(slot.state, STINT_SLOT_LIVE);
    ck_assert_uint_eq(slot.flags, STINT_SLOT_ADOPTED | STINT_SLOT_EXEMPT);
    ck_assert_int_eq(slot.exempt_until_us, 5000);
    ck_assert_str_eq(master_site(m, slot.reason_site).text, "belongs to a library");
    stint_thread_disown();
    ck_assert_ptr_null(stint_current());
    ck_assert_int_eq(master_find(m, "foreign", &slot), 1);
    ck_assert_uint_eq(slot.state, STINT_SLOT_DONE);
    ck_assert_int_eq(stint_thread_adopt(NULL, "twice"), 0);
    return NULL; /* its end is noticed */
}

START_TEST(a_foreign_thread_is_adopted_and_let_go)
{
    struct master m = master_start();
    struct stint_registry_slot slot;
    pthread_t thread;

    stint_init(NULL);
    ck_assert_int_eq(pthread_create(&thread, NULL, foreign, &m), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(master_find(&m, "twice", &slot), 1);
    ck_assert_uint_eq(slot.state, STINT_SLOT_DONE);
}
END_TEST

START_TEST(a_full_registry_counts_and_does_not_refuse_threads)
{
    enum { FREE = 5, N = FREE + 5 };
    static struct stint_thread *threads[N];
    struct master m = master_start();
    struct stint_registry_header header;
    struct stint_registry_slot slot;
    struct stage stage;

    stint_init(NULL);
    stage_up(&stage);
    ck_assert_int_eq(pread(m.registry, &header, sizeof(header), 0), sizeof(header));
    header.slots.used = STINT_REGISTRY_SLOTS - FREE; /* as if so many threads were there */
    ck_assert_int_eq(pwrite(m.registry, &header, sizeof(header), 0), sizeof(header));
    for (int i = 0; i < N; i++)
        ck_assert_int_eq(stint_thread_spawn(&threads[i], NULL, "many", stand, &stage), 0);
    for (int i = 0; i < N; i++)
        stage_wait(&stage);
    ck_assert_int_eq(pread(m.registry, &header, sizeof(header), 0), sizeof(header));
    ck_assert_uint_eq(header.slots.used, STINT_REGISTRY_SLOTS);
    ck_assert_uint_eq(header.overflow, N - FREE);
    stint_token_cancel(stage.hold, STINT_CAUSE_USER, NULL);
    for (int i = 0; i < N; i++)
        ck_assert_int_eq(stint_thread_join(threads[i], NULL, soon()), 0);
    ck_assert_int_eq(stint_thread_spawn(&threads[0], NULL, "reuses a slot", stand, &stage), 0);
    ck_assert_int_eq(stint_thread_join(threads[0], NULL, soon()), 0);
    ck_assert_int_eq(master_find(&m, "reuses a slot", &slot), 1);
    ck_assert_uint_eq(slot.epoch, 2);
    stint_token_unref(stage.hold);
}
END_TEST

START_TEST(an_unsealed_registry_is_not_trusted)
{
    struct master m = master_start();
    struct stint_registry_slot slot;
    struct stint_registry_header header;
    int unsealed = memfd_create("unsealed", 0);

    ck_assert_int_eq(ftruncate(unsealed, (off_t)STINT_REGISTRY_BYTES), 0);
    master_set_fd("STINT_REGISTRY", unsealed);
    ck_assert_int_eq(stint_init(NULL), 0);
    ck_assert_int_eq(pread(unsealed, &header, sizeof(header), 0), sizeof(header));
    ck_assert_uint_eq(header.magic, 0);
    ck_assert_int_eq(master_find(&m, "main", &slot), 0);
}
END_TEST

START_TEST(long_names_are_cut_and_paths_keep_their_tail)
{
    struct master m = master_start();
    struct stint_registry_slot slot;
    struct stint_registry_site site;
    struct stint_thread *thread;
    struct stint_birth birth = {.line = 5};
    char name[100], file[200];

    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    memset(file, 'd', sizeof(file));
    memcpy(file + sizeof(file) - 8, "/tail.c", 8);
    birth.name = name;
    birth.file = file;
    stint_init(NULL);
    ck_assert_int_eq(stint_thread_spawn_at(&thread, NULL, birth, leave_by_pthread_exit, NULL), 0);
    ck_assert_int_eq(stint_thread_join(thread, NULL, soon()), 0);
    name[STINT_NAME_MAX - 1] = '\0';
    ck_assert_int_eq(master_find(&m, name, &slot), 1);
    site = master_site(&m, slot.birth_site);
    ck_assert_uint_eq(strlen(site.file), sizeof(site.file) - 1);
    ck_assert_str_eq(site.file + strlen(site.file) - 7, "/tail.c");
    ck_assert_str_eq(site.function, "");
}
END_TEST

/* As those of a library that took the place of another. */
START_TEST(the_words_of_a_birth_decide_and_not_where_they_lie)
{
    static const char *const files[4] = {"one.c", "two.c", "one.cc", "one.c"};
    struct master m = master_start();
    struct stint_registry_slot slots[4];
    char file[16];

    stint_init(NULL);
    for (size_t i = 0; i < 4; i++) {
        struct stint_birth birth = {.file = file, .line = 5};
        struct stint_thread *thread;
        char name[8];

        (void)snprintf(file, sizeof(file), "%s", files[i]);
        (void)snprintf(name, sizeof(name), "t%zu", i);
        birth.name = name;
        ck_assert_int_eq(stint_thread_spawn_at(&thread, NULL, birth, leave_by_pthread_exit, NULL),
                         0);
        ck_assert_int_eq(stint_thread_join(thread, NULL, soon()), 0);
        ck_assert_int_eq(master_find(&m, name, &slots[i]), 1);
        ck_assert_str_eq(master_site(&m, slots[i].birth_site).file, files[i]);
    }
    ck_assert_uint_eq(slots[0].birth_site, slots[3].birth_site);
}
END_TEST

START_TEST(what_is_served_is_counted_in_the_registry_and_not_in_a_childs)
{
    struct master m = master_start();
    struct stint_registry_header header;
    pid_t child;

    stint_served(1000); /* too early: nothing */
    ck_assert_int_eq(stint_init(NULL), 0);
    stint_served(1);
    stint_served(41);
    child = fork();
    if (child == 0) {
        stint_served(5);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    ck_assert_int_eq(pread(m.registry, &header, sizeof(header), 0), sizeof(header));
    ck_assert_uint_eq(header.served, 42);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("thread");
    TCase *registry = tcase_create("registry");

    tcase_set_timeout(registry, 100);
    tcase_add_test(registry, the_registry_says_who_a_thread_is_and_who_made_it);
    tcase_add_test(registry, a_thread_that_ignores_its_token_is_shown_with_cause_and_time);
    tcase_add_test(registry, what_is_served_is_counted_in_the_registry_and_not_in_a_childs);
    tcase_add_test(registry, pthread_exit_ends_the_registration_too);
    tcase_add_test(registry, a_foreign_thread_is_adopted_and_let_go);
    tcase_add_test(registry, a_full_registry_counts_and_does_not_refuse_threads);
    tcase_add_test(registry, an_unsealed_registry_is_not_trusted);
    tcase_add_test(registry, long_names_are_cut_and_paths_keep_their_tail);
    tcase_add_test(registry, the_words_of_a_birth_decide_and_not_where_they_lie);
    suite_add_tcase(suite, registry);
    return unit_main(suite);
}
