/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The same in C++: one thread waits in std::condition_variable, the first one joins it. */
#include <condition_variable>
#include <mutex>
#include <thread>
#include <unistd.h>

namespace shop
{
class queue
{
    std::mutex lock;
    std::condition_variable ready;
    volatile bool any = false;

  public:
    __attribute__((noinline)) void
    take()
    {
        std::unique_lock<std::mutex> held(lock);

        ready.wait(held, [this] { return any; });
        any = false;
    }
};
} // namespace shop

static shop::queue orders;

__attribute__((noinline)) static void
serve(int)
{
    orders.take();
    orders.take();
}

int
main()
{
    std::thread thread(serve, 1);

    if (write(STDOUT_FILENO, "ready\n", 6) != 6)
        return 99;
    thread.join();
    return 0;
}
