/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "play.h"

/* docs/leaks-corpus.md: what the figures mean, and what the rows are. */

void
page_head(void)
{
    struct utsname u;

    (void)uname(&u);
    (void)printf(
        "<!-- SPDX-License-Identifier: GPL-2.0-or-later -->\n"
        "# The corpus: how right the leak verdicts are\n\n"
        "Made by `tests/corpus/run --seeds 3 --markdown`, on Linux %.*s. Each row of "
        "`tests/corpus/rows.def` is a "
        "small pthread program with one known fault (or none: a trap), and a `twin` that does it "
        "right. It is run under the real stint, relieved by a reload (or looked at while it "
        "serves), and what `stint threads --json` says of it is compared with what the row "
        "demands. "
        "Two flavours of the same source: *registered* links libstint, *bare* calls nothing of it, "
        "so "
        "that /proc is all there is. A seed shuffles numbers of threads, moments, and what runs "
        "beside what.\n\n"
        "*leaks* is the number of runs with a fault to be found, *found* those of them where each "
        "leak was reported with its verdict and its count. *false* counts runs, of rows and twins, "
        "where a leak was reported that is none. precision = found / (found + false), recall = "
        "found / leaks. *culprit*, *wait*, *frame* and *creator*: of what was found, how often the "
        "report names the right thread (registered: by its name; bare: by its start function), "
        "what it waits for (class and variable), the innermost function of the program's own, and "
        "the function that started it, which is known of registered threads only. *other "
        "verdicts*: exempt, "
        "shielded, runtime, stopped, process-retained …, and words that have to be there.\n\n"
        "Two rows are not played bare. F09 (a request that may take longer than the drain) and G21 "
        "(a section that must not be disturbed) are right to stay, and only the library can say "
        "so: from outside they are threads that are still there when the process should be gone, "
        "and bare they are called what F10 and G22 are. F05 and F06 (a watcher that died, or does "
        "nothing any more, in a process that serves) and G33 (a registry that lies) are traps when "
        "bare: nobody promised a beat and there is no registry, so nothing may be said of them. So "
        "are I90, I91, I93, I95 and I96, where a contract within a process that serves is broken: "
        "only a token can tell.\n",
        (int)strcspn(u.release, "-"), u.release);
}

void
page_anchors(void)
{
    (void)printf(
        "\n### Beside the published figures\n\n"
        "The kernels of GoKer are those of Yuan et al. (\"GoBench\", CGO 2021), rebuilt as pthread "
        "programs in `tests/corpus/goker/`: unbuffered and buffered channels as queues, contexts "
        "as "
        "tokens, RWMutex as a rwlock that prefers writers, the interleaving of the bug forced. The "
        "published figures are those of Go's tools on the Go originals, run up to a time limit "
        "until the bug shows itself; so the columns say what each approach can see, and not how "
        "often a "
        "bug shows itself.\n\n"
        "| on the 68 kernels | precision | recall | resource | communication | mixed |\n"
        "|---|---|---|---|---|---|\n"
        "| goleak (TP 43, FN 25) | 100 %% | 63.2 %% | 60.9 %% | 69.0 %% | 56.2 %% |\n"
        "| go-deadlock | 100 %% | 41.2 %% | 100 %% | | |\n");
}

void
page_blind(void)
{
    (void)printf(
        "\n### What the first look at new rows was worth\n\n"
        "Rows A to H and the model were mended against each other, so their figures say little of "
        "programs that nobody has seen. Group I was written from what people suffer from in C and "
        "C++ (pools, handlers, descriptors that are closed or shared, rare system calls, what "
        "<mutex>, <latch>, <future> and <stop_token> have, GLib, libev, OpenMP, io_uring) and "
        "without a look at the model, and played before anything of that was changed. Who wrote "
        "the second and third lot had read the model by then.\n\n"
        "| first result, 3 seeds | rows | leaks | found | false | precision | recall | culprit | "
        "wait | frame | creator |\n|---|---|---|---|---|---|---|---|---|---|---|\n"
        "| first lot, registered | 70 | 198 | 189 | 0 | 100.0 %% | 95.5 %% | 150/150 | 162/165 | "
        "166/183 | 150/150 |\n"
        "| first lot, bare | 70 | 198 | 186 | 3 | 98.4 %% | 93.9 %% | 147/147 | 165/165 | 168/180 "
        "| – |\n"
        "| second lot, registered | 15 | 42 | 42 | 3 | 93.3 %% | 100.0 %% | 42/42 | 33/33 | 36/39 "
        "| 39/39 |\n"
        "| second lot, bare | 15 | 27 | 27 | 3 | 90.0 %% | 100.0 %% | 27/27 | 21/21 | 21/24 | – "
        "|\n"
        "| third lot, registered | 9 | 27 | 24 | 0 | 100.0 %% | 88.9 %% | 30/30 | 30/30 | 27/27 | "
        "27/27 |\n"
        "| third lot, bare | 9 | 27 | 27 | 0 | 100.0 %% | 100.0 %% | 36/36 | 36/36 | 33/33 | – "
        "|\n\n");
    (void)printf(
        "What was wrong, and is mended for all programs: the first function of the program's own "
        "was one of GLib's or libev's (what lies where the linker looks counts only where nothing "
        "else is on the stack); the limit of `recvmmsg` was believed, which the kernel looks at "
        "only when a datagram came; asleep for a page that nobody brings (`userfaultfd`) was "
        "*stuck:kernel*; of threads of which each starts the next and ends, bare, the first thread "
        "was blamed, and stacks of threads that had just ended were read; who waits behind a "
        "reader that is blocked elsewhere was taken for a deadlock (I75). Three rows were "
        "wrong themselves: I48 demanded one leak where the contract knows four, I94 named a "
        "function that is not the innermost, and I97 a deadlock where a thread whose token is live "
        "might have the lock.\n");
}

static void
one_row(const struct expect_row *row)
{
    bool any = false;

    (void)printf("| %s | %s | %s | ", row->id, row->name, row->origin);
    for (size_t i = 0; i < n_expect_finds; i++) {
        const struct expect_find *f = &expect_finds[i];

        if (strcmp(f->row, row->id) != 0)
            continue;
        (void)printf("%s", any ? "; " : "");
        for (const char *p = f->verdicts; *p; p++)
            (void)printf("%s", *p == '|' ? " or " : (char[]){*p, '\0'});
        if (f->count != 1)
            (void)printf(" ×%s", f->count ? "" : "N");
        if (f->count > 1)
            (void)printf("%d", f->count);
        (void)printf("%s", f->flavours == BOTH   ? ""
                           : f->flavours == BARE ? " (bare)"
                                                 : " (registered)");
        any = true;
    }
    for (size_t i = 0; i < n_expect_procs; i++) {
        if (strcmp(expect_procs[i].row, row->id) != 0)
            continue;
        (void)printf("%s%s (process)", any ? "; " : "", expect_procs[i].word);
        any = true;
    }
    (void)printf("%s |\n", any ? "" : "no leak");
}

void
page_rows(void)
{
    (void)printf("\n### The rows\n\nNumbers are those of the research; where there was none, "
                 "\"own\". G39, a linter for lines of a log, is not built.\n\n"
                 "| row | name | origin | what has to be said |\n|---|---|---|---|\n");
    for (size_t i = 0; i < n_expect_rows; i++)
        if (isupper((unsigned char)expect_rows[i].id[0]))
            one_row(&expect_rows[i]);
}
