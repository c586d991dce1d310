// SPDX-License-Identifier: GPL-2.0-or-later

// I: what the standard library of C++ has for waiting.
#include <atomic>
#include <barrier>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <latch>
#include <mutex>
#include <semaphore>
#include <shared_mutex>
#include <stop_token>
#include <thread>
#include <vector>

extern "C" {
extern bool fixed;
void here(void);
void all_here(unsigned n);
void serve(void);
unsigned some(unsigned least, unsigned most);
void tell(const char *name, long value);
void row_I60(void);
void row_I61(void);
void row_I62(void);
void row_I63(void);
void row_I64(void);
void row_I65(void);
void row_I66(void);
void row_I67(void);
void row_I68(void);
void row_I69(void);
}

#define NOINLINE       __attribute__((noinline))
#define NOT_THE_LAST() __asm__ volatile("" ::: "memory")

// I60: a condition of any lock; the flag is never set.
static std::shared_mutex i60_mutex;
static std::condition_variable_any i60_changed;
static bool i60_over;

NOINLINE static void
i60_wait()
{
    std::shared_lock<std::shared_mutex> lock(i60_mutex);
    here();
    i60_changed.wait(lock, [] { return i60_over; });
}

void
row_I60()
{
    std::thread t(i60_wait);

    all_here(1);
    serve();
    {
        std::lock_guard<std::shared_mutex> lock(i60_mutex);
        i60_over = fixed;
    }
    i60_changed.notify_all();
    t.join();
}

// I61: a task is put into a queue that nobody works on, and its answer is waited for.
static std::deque<std::packaged_task<int()>> i61_queue;

NOINLINE static int
i61_ask(std::future<int> answer)
{
    here();
    int got = answer.get();
    NOT_THE_LAST();
    return got;
}

void
row_I61()
{
    i61_queue.emplace_back([] { return 1; });
    std::thread t(i61_ask, i61_queue.back().get_future());

    all_here(1);
    serve();
    if (fixed)
        i61_queue.front()();
    t.join();
}

// I62: who drops a future of std::async waits for what it does.
static std::atomic<bool> i62_over{false};

NOINLINE static void
i62_refresh()
{
    here();
    while (!i62_over)
        std::this_thread::sleep_for(std::chrono::milliseconds(15));
}

void
row_I62()
{
    {
        auto job = std::async(std::launch::async, i62_refresh);

        all_here(1);
        serve();
        i62_over = fixed;
    }
}

// I63: a latch counts one too many.
static std::latch i63_ready(3);

NOINLINE static void
i63_part()
{
    here();
    i63_ready.arrive_and_wait();
    NOT_THE_LAST();
}

void
row_I63()
{
    std::thread a(i63_part), b(i63_part);

    all_here(2);
    serve();
    if (fixed)
        i63_ready.count_down();
    a.join();
    b.join();
}

// I64: a slot that was not given back.
static std::counting_semaphore<4> i64_slots(0);

NOINLINE static void
i64_take()
{
    here();
    i64_slots.acquire();
    NOT_THE_LAST();
}

void
row_I64()
{
    std::thread t(i64_take);

    all_here(1);
    serve();
    if (fixed)
        i64_slots.release();
    t.join();
}

// I65: it is asked to stop, and does not look.
NOINLINE static void
i65_poll(std::stop_token stop)
{
    here();
    while (!(fixed && stop.stop_requested()))
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
}

void
row_I65()
{
    std::jthread t(i65_poll);

    all_here(1);
    serve();
}

// I66: a lock to read, and the same to write.
static std::shared_mutex i66_cache;

NOINLINE static void
i66_fill()
{
    std::shared_lock<std::shared_mutex> reading(i66_cache);

    here();
    if (fixed)
        reading.unlock();
    std::unique_lock<std::shared_mutex> writing(i66_cache);
    NOT_THE_LAST();
}

void
row_I66()
{
    std::thread t(i66_fill);

    all_here(1);
    serve();
    t.join();
}

// I67: at its end a thread puts away what is its own, and waits for who is gone.
static std::mutex i67_mutex;
static std::condition_variable i67_flushed;
static bool i67_over;

NOINLINE static void
i67_flush()
{
    std::unique_lock<std::mutex> lock(i67_mutex);
    here();
    while (!i67_over)
        i67_flushed.wait(lock);
}

struct i67_session {
    int lines = 0;
    ~i67_session()
    {
        i67_flush();
        NOT_THE_LAST();
    }
};

static thread_local i67_session i67_mine;

NOINLINE static void
i67_work()
{
    i67_mine.lines++;
}

void
row_I67()
{
    std::thread t(i67_work);

    all_here(1);
    serve();
    {
        std::lock_guard<std::mutex> lock(i67_mutex);
        i67_over = fixed;
    }
    i67_flushed.notify_all();
    t.join();
}

// I68: a barrier of which one party was lost.
static std::barrier<> i68_round(3);

NOINLINE static void
i68_party()
{
    here();
    i68_round.arrive_and_wait();
    NOT_THE_LAST();
}

void
row_I68()
{
    std::thread a(i68_party), b(i68_party);

    all_here(2);
    serve();
    if (fixed)
        i68_round.arrive_and_drop();
    a.join();
    b.join();
}

// I69: a pool that is a static object is ended after main(), and one of it is deaf.
class i69_pool
{
    std::vector<std::thread> threads;
    std::mutex mutex;
    std::condition_variable work;
    bool stop = false;

  public:
    NOINLINE void
    run()
    {
        std::unique_lock<std::mutex> lock(mutex);
        here();
        work.wait(lock, [this] { return stop; });
    }
    void
    start(unsigned n)
    {
        while (n-- > 0)
            threads.emplace_back(&i69_pool::run, this);
    }
    ~i69_pool()
    {
        {
            std::lock_guard<std::mutex> lock(mutex);
            stop = true;
        }
        if (fixed)
            work.notify_all();
        else
            work.notify_one();
        for (auto &t : threads)
            t.join();
    }
};

void
row_I69()
{
    static i69_pool pool;
    unsigned n = some(3, 6);

    pool.start(n);
    all_here(n);
    tell("count", n - 1);
    serve();
}
