/* SPDX-License-Identifier: MIT */
/* The public header and its macros in C++: this must compile without a warning. */
#include <stint.h>

namespace
{
void
work(void *arg)
{
    STINT_BLOCK("for nothing", arg)
        stint_beat();
    *static_cast<int *>(arg) += stint_token_cancelled(stint_current());
}
} // namespace

int
main()
{
    struct stint_options options = {sizeof(struct stint_options), STINT_OPT_KEEP_SIGTERM};
    struct stint_thread *thread = nullptr;
    int cancelled = 0;

    if (stint_init(&options) < 0)
        return 1;
    struct stint_token *token = stint_token_new(stint_root(), "c++");
    stint_token_cancel(token, STINT_CAUSE_USER, "a C++ program");
    if (stint_thread_spawn(&thread, token, "worker", work, &cancelled) < 0)
        return 1;
    if (stint_thread_join(thread, nullptr, STINT_NEVER) < 0)
        return 1;
    struct stint_token *tokens[] = {token, stint_root()};
    struct stint_token *either = stint_token_any(tokens, 2, "either");
    struct stint_token *undo = stint_token_detach(token, "undo");
    struct stint_cancel_info info = {};
    info.size = sizeof(info);
    if (stint_token_cause(either, &info) != STINT_CAUSE_USER || stint_token_err(undo) != 0)
        return 1;
    stint_token_unref(undo);
    stint_token_unref(either);
    stint_token_unref(token);
    struct stint_deadline_call call = STINT_DEADLINE_CALL("call", "caller");
    struct stint_token *request = nullptr;
    char timeout[STINT_TIMEOUT_MAX];
    if (stint_deadline_open(&request, nullptr, &call) < 0 ||
        stint_deadline_format(request, STINT_TIMEOUT_GRPC, -1, timeout, sizeof(timeout)) != 0)
        return 1;
    stint_deadline_close(request);
    stint_scope_abandon(stint_scope_open_by(nullptr, "scope", STINT_NEVER));
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    if (pthread_mutex_init(&mutex, nullptr) != 0 || pthread_cond_init(&cond, nullptr) != 0 ||
        stint_mutex_lock(stint_root(), &mutex, STINT_NEVER) < 0 ||
        stint_cond_wait(stint_root(), &cond, &mutex, 0) == 0)
        return 1;
    struct stint_header header = stint_header_of("traceparent", "");
    char parent[STINT_TRACEPARENT_MAX], state[STINT_TRACESTATE_MAX];
    if (stint_trace_extract(token, &header, 1) >= 0 ||
        stint_trace_inject(nullptr, parent, state, sizeof(state)) != 0 ||
        stint_log(STINT_LOG_INFO, "%s", parent) < 0)
        return 1;
    return stint_ready() == 0 && cancelled == 1 ? 0 : 1;
}
