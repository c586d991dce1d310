// SPDX-License-Identifier: GPL-2.0-or-later

// H: threads of C++, which know nothing of tokens; what begins them is in the library.
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <future>
#include <mutex>
#include <shared_mutex>
#include <thread>
#include <vector>

extern "C" {
extern bool fixed;
void here(void);
void all_here(unsigned n);
void serve(void);
void row_H51(void);
void row_H52(void);
void row_H53(void);
void row_H54(void);
void row_H55(void);
}

// H51: a condition that nobody makes true.
class h51_worker
{
    std::mutex mutex;
    std::condition_variable changed;
    bool over = false;
    std::thread thread;

  public:
    void
    run()
    {
        std::unique_lock<std::mutex> lock(mutex);
        here();
        changed.wait(lock, [this] { return over; });
    }
    h51_worker() : thread(&h51_worker::run, this)
    {
    }
    ~h51_worker()
    {
        {
            std::lock_guard<std::mutex> lock(mutex);
            over = fixed;
        }
        changed.notify_all();
        thread.join();
    }
};

void
row_H51()
{
    h51_worker worker;

    all_here(1);
    serve();
}

// H52: a promise that nobody keeps.
static int
h52_await(std::shared_future<int> answer)
{
    here();
    int got = answer.get();
    __asm__ volatile("" ::: "memory");
    return got;
}

void
row_H52()
{
    auto *promise = new std::promise<int>;
    auto answer = std::async(std::launch::async, h52_await, promise->get_future().share());

    all_here(1);
    serve();
    if (fixed)
        promise->set_value(1);
    (void)answer.get();
}

// H53: crosswise.
static std::mutex h53_a, h53_b;
static std::atomic<int> h53_in{0};

static void
h53_cross(std::mutex &first, std::mutex &then)
{
    std::lock_guard<std::mutex> one(first);
    h53_in++;
    while (h53_in < 2)
        std::this_thread::yield();
    here();
    if (!fixed)
        then.lock();
}

void
row_H53()
{
    std::thread x(h53_cross, std::ref(h53_a), std::ref(h53_b));
    std::thread y(h53_cross, std::ref(h53_b), std::ref(h53_a));

    all_here(2);
    serve();
    x.join();
    y.join();
}

// H54: it sleeps a little, and looks at nothing.
static std::atomic<bool> h54_over{false};

void
row_H54()
{
    std::thread x([] {
        here();
        while (!h54_over)
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
    });

    all_here(1);
    serve();
    h54_over = fixed;
    x.join();
}

// H55: a flag that is waited for without a lock.
static std::atomic<int> h55_flag{0};

static void
h55_wait()
{
    here();
    h55_flag.wait(0);
    __asm__ volatile("" ::: "memory");
}

void
row_H55()
{
    std::thread x(h55_wait);

    all_here(1);
    serve();
    if (fixed) {
        h55_flag = 1;
        h55_flag.notify_all();
    }
    x.join();
}
