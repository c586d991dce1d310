// SPDX-License-Identifier: GPL-2.0-or-later

// I: what the standard library of C++ has, of several threads.
#include <atomic>
#include <chrono>
#include <future>
#include <mutex>
#include <thread>
#include <vector>

extern "C" {
extern bool fixed;
void here(void);
void all_here(unsigned n);
void serve(void);
void row_I70(void);
void row_I71(void);
}

#define NOINLINE       __attribute__((noinline))
#define NOT_THE_LAST() __asm__ volatile("" ::: "memory")

// I70: two locks in two orders, of which one is a recursive one; a third thread is behind them.
static std::recursive_mutex i70_tree;
static std::mutex i70_log;
static std::atomic<int> i70_in{0};

NOINLINE static void
i70_walk()
{
    std::lock_guard<std::recursive_mutex> one(i70_tree), two(i70_tree);

    for (i70_in++; i70_in < 2;)
        std::this_thread::yield();
    here();
    if (!fixed)
        std::lock_guard<std::mutex> then(i70_log);
    NOT_THE_LAST();
}

NOINLINE static void
i70_report()
{
    std::lock_guard<std::mutex> one(i70_log);

    for (i70_in++; i70_in < 2;)
        std::this_thread::yield();
    here();
    if (!fixed)
        std::lock_guard<std::recursive_mutex> then(i70_tree);
    NOT_THE_LAST();
}

NOINLINE static void
i70_behind()
{
    here();
    std::lock_guard<std::mutex> one(i70_log);
    NOT_THE_LAST();
}

void
row_I70()
{
    std::thread a(i70_walk), b(i70_report);

    all_here(2);
    std::thread c(i70_behind);
    all_here(3);
    serve();
    a.join();
    b.join();
    c.join();
}

// I71: a trap: std::async without end, while the process serves.
static std::atomic<bool> i71_over{false};

void
row_I71()
{
    std::thread t([] {
        here();
        while (!i71_over) {
            std::vector<std::future<void>> some;

            for (int i = 0; i < 4; i++)
                some.push_back(std::async(std::launch::async, [] {
                    std::this_thread::sleep_for(std::chrono::milliseconds(7));
                }));
        }
    });

    all_here(1);
    serve();
    i71_over = true;
    t.join();
}
