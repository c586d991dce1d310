// SPDX-License-Identifier: MIT
// What heap_guest loads to allocate as C++ does: operator new, of arrays and aligned, and delete.
#include <cstddef>
#include <new>

namespace {
const int blocks = 200000;
const std::size_t block = 1000;
struct alignas(128) wide {
    char bytes[block - block % 128];
};
void *volatile sink;
} // namespace

// A third each: new[], an aligned new, and a new that is deleted at once.
extern "C" void
news()
{
    for (int i = 0; i < blocks; i++) {
        switch (i % 3) {
        case 0:
            sink = new char[block];
            break;
        case 1:
            sink = new wide;
            break;
        default:
            sink = ::operator new(block);
            ::operator delete(sink);
            break;
        }
    }
}
