/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A program whose threads are blocked in functions with known names; built in several ways, and looked
 * at by names_*_test.c. `subject SHAPE`: says "ready" when all its threads are on their way there.
 */
#include <dlfcn.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PLAIN __attribute__((noinline, noclone, used))

struct jobs {
    long count;
    pthread_mutex_t lock;
    pthread_cond_t ready;
};

struct jobs jobs = {
    .count = 1, .lock = PTHREAD_MUTEX_INITIALIZER, .ready = PTHREAD_COND_INITIALIZER};
static sem_t tickets; /* in .bss */
static int pipe_fds[2];
static volatile int turns; /* written behind each call, so that it is no tail call */

PLAIN void
business_cond(void)
{
    (void)pthread_mutex_lock(&jobs.lock);
    while (jobs.count)
        (void)pthread_cond_wait(&jobs.ready, &jobs.lock);
    (void)pthread_mutex_unlock(&jobs.lock);
    turns++;
}

PLAIN void
business_read(void)
{
    char byte;

    turns += (int)read(pipe_fds[0], &byte, 1);
}

PLAIN void
business_sleep(void)
{
    struct timespec t = {.tv_sec = 1000};

    turns += nanosleep(&t, NULL);
}

PLAIN void
business_poll(void)
{
    struct pollfd p = {.fd = pipe_fds[0], .events = POLLIN};
    char big[3000]; /* its frame is larger than a byte can say */

    memset(big, turns, sizeof(big));
    turns += poll(&p, 1, -1) + big[turns & 1023];
}

PLAIN void
business_sem(void)
{
    turns += sem_wait(&tickets);
}

PLAIN void
business_alloca(int n)
{
    char *room = __builtin_alloca((size_t)n); /* and how far the frame goes is in no instruction */
    char byte;

    memset(room, 1, (size_t)n);
    turns += (int)read(pipe_fds[0], &byte, 1) + room[n / 2];
}

static void (*volatile business)(void);

PLAIN void *
business_run(void *arg)
{
    business();
    turns++;
    return arg;
}

PLAIN void *
business_room(void *arg)
{
    business_alloca(777);
    turns++;
    return arg;
}

/* At -O2 a jump: nothing of it is on the stack. */
PLAIN void *
business_tail(void *arg)
{
    void *(*wait)(void *) = (void *(*)(void *))sem_wait;

    (void)arg;
    return wait(&tickets);
}

PLAIN void
on_signal(int sig)
{
    char byte;

    turns += sig + (int)read(pipe_fds[0], &byte, 1);
}

PLAIN void *
business_interrupted(void *arg)
{
    turns += (int)syscall(SYS_tgkill, getpid(), (pid_t)syscall(SYS_gettid), SIGUSR1);
    turns++;
    return arg;
}

/* push %rbp; mov %rsp, %rbp; call *%rdi; pop %rbp; ret */
static const unsigned char made[] = {0x55, 0x48, 0x89, 0xe5, 0xff, 0xd7, 0x5d, 0xc3};

PLAIN void *
business_made(void *arg)
{
    void (*code)(void (*)(void));

    memcpy(&code, &arg, sizeof(code));
    code(business_sleep);
    turns++;
    return NULL;
}

static void
start(void *(*routine)(void *), void *arg)
{
    pthread_attr_t small;
    pthread_t thread;

    (void)pthread_attr_init(&small);
    (void)pthread_attr_setstacksize(&small, 128 << 10);
    if (pthread_create(&thread, &small, routine, arg) != 0)
        _exit(97);
    (void)pthread_attr_destroy(&small);
}

static void
made_start(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (page == MAP_FAILED)
        _exit(96);
    memcpy(page, made, sizeof(made));
    if (mprotect(page, 4096, PROT_READ | PROT_EXEC) != 0)
        _exit(95);
    start(business_made, page);
}

/* A thread that is in a plugin which is not there any more. */
static void
plugin_start(const char *path)
{
#ifndef SUBJECT_STATIC
    void *plugin = dlopen(path, RTLD_NOW);
    void *(*routine)(void *) = NULL;
    void *symbol = plugin ? dlsym(plugin, "plugin_run") : NULL;

    if (!symbol)
        _exit(94);
    memcpy(&routine, &symbol, sizeof(routine));
    start(routine, &pipe_fds[1]);
    (void)!read(pipe_fds[0], (char[1]){0}, 1); /* it is inside */
    (void)nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    (void)dlclose(plugin);
#else
    (void)path;
    _exit(92);
#endif
}

static bool
shape_of(const char *name)
{
    static const struct {
        const char *name;
        void (*fn)(void);
    } plain[] = {
        {"cond",  business_cond },
        {"read",  business_read },
        {"sleep", business_sleep},
        {"poll",  business_poll },
        {"sem",   business_sem  }
    };

    for (size_t i = 0; i < sizeof(plain) / sizeof(*plain); i++) {
        if (!strcmp(name, plain[i].name)) {
            business = plain[i].fn;
            start(business_run, NULL);
            return true;
        }
    }
    return false;
}

static void
thousand(void)
{
    void *(*const routines[])(void *) = {business_run, business_room, business_tail};

    business = business_cond;
    for (int i = 0; i < 1000; i++)
        start(routines[i % 3], NULL);
}

int
main(int argc, char **argv)
{
    const char *shape = argc > 1 ? argv[1] : "";

    if (pipe(pipe_fds) != 0 || sem_init(&tickets, 0, 0) != 0)
        return 99;
    (void)signal(SIGUSR1, on_signal);
    if (!strcmp(shape, "tail"))
        start(business_tail, NULL);
    else if (!strcmp(shape, "alloca"))
        start(business_room, NULL);
    else if (!strcmp(shape, "signal"))
        start(business_interrupted, NULL);
    else if (!strcmp(shape, "made"))
        made_start();
    else if (!strcmp(shape, "plugin") && argc > 2)
        plugin_start(argv[2]);
    else if (!strcmp(shape, "thousand"))
        thousand();
    else if (!strcmp(shape, "leader") && shape_of("cond"))
        shape = "leader";
    else if (!shape_of(shape))
        return 98;
    (void)!write(STDOUT_FILENO, "ready\n", 6);
    if (!strcmp(shape, "leader"))
        pthread_exit(NULL);
    for (;;)
        (void)pause();
}
