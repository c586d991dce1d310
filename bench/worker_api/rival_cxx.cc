/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One round of C++20's std::stop_token. It has no tree, so no children. */
#include "bench/worker_api/measure.h"

#include <optional>
#include <stop_token>
#include <vector>

static volatile int sink; /* what was computed is wanted by somebody */

static void
tokens()
{
    std::stop_source source;
    std::stop_token token = source.get_token();
    int found = 0;

    MEASURE("check", 20000000, found += token.stop_requested());
    MEASURE("callback", 200000, { std::stop_callback callback(token, [] {}); });
    source.request_stop();
    MEASURE("check_cancelled", 20000000, found += token.stop_requested());
    MEASURE("source", 200000, {
        std::stop_source another;
        found += another.stop_requested();
    });
    sink = found;
}

/* The nearest thing to 10,000 descendants: as many sources, each stopped by a callback of the one above. */
static void
stop_many()
{
    struct stop {
        std::stop_source *source;
        void
        operator()() const noexcept
        {
            source->request_stop();
        }
    };
    std::stop_source top;
    std::vector<std::stop_source> sources(10000);
    std::vector<std::optional<std::stop_callback<stop>>> callbacks(sources.size());

    for (std::size_t i = 0; i < sources.size(); i++)
        callbacks[i].emplace(top.get_token(), stop{&sources[i]});
    MEASURE("cancel_10000", 1, top.request_stop());
}

int
main()
{
    tokens();
    stop_many();
    stop_many(); /* the first one is warm-up: the last line counts */
    return 0;
}
