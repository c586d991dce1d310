/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files, tables and stacks that lie: what they say is bounded, and nothing of ours breaks. */
#include <sys/mman.h>

#include "base/fd.h"
#include "supervisor/probe/symbols.h"
#include "supervisor/probe/unwind_internal.h"
#include "tests/unit/probe/names_fixture.h"

#define ROUNDS 3000

static uint64_t state;

static uint64_t
chance(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static char *original;
static size_t n_original;

static void
original_read(void)
{
    state = 0x9e3779b97f4a7c15;
    ck_assert_int_eq(
        file_read(NAMES_SUBJECTS "/names-subject-bare", 16 << 20, &original, &n_original, NULL), 0);
}

/* spoilt - a copy of the file where some bytes, mostly of its headers, are others. Or it is shorter. */
static int
spoilt(void)
{
    auto_fd int fd = memfd_create("spoilt", MFD_CLOEXEC);
    size_t n = chance() % 10 ? n_original : (size_t)(chance() % n_original);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, original, n), (ssize_t)n);
    for (uint64_t i = chance() % 20; i > 0; i--) {
        size_t at = (size_t)(chance() % (chance() % 2 ? 64 : n_original));
        unsigned char byte = chance() % 3 ? (unsigned char)chance() : 0xff;

        if (chance() % 2) /* the table of sections is at the end */
            at = n_original - 1 - (size_t)(chance() % 2048);
        ck_assert_int_eq(pwrite(fd, &byte, 1, (off_t)at), 1);
    }
    return steal_fd(fd);
}

START_TEST(spoilt_files_cost_names_and_nothing_else)
{
    unsigned opened = 0, named = 0;

    original_read();
    for (int i = 0; i < ROUNDS; i++) {
        struct symbol_query queries[3] = {
            {.address = 0x1200},
            {                 .address = 0x1400                },
            { .address = 0x4010,                 .object = true}
        };
        unsigned char id[MODULE_ID_MAX];
        auto_fd int fd = spoilt();
        struct elf_file *file;

        if (elf_file_open(fd, &file) < 0)
            continue;
        opened++;
        ck_assert_uint_le(elf_file_id(file, id, sizeof(id)), sizeof(id));
        symbols_look(file, queries, 3);
        for (int k = 0; k < 3; k++) {
            ck_assert_ptr_nonnull(memchr(queries[k].name, '\0', sizeof(queries[k].name)));
            named += queries[k].rank != 0;
        }
        elf_file_close(file);
    }
    free(original);
    ck_assert_uint_gt(opened, ROUNDS / 10); /* else nothing was tried */
    ck_assert_uint_gt(named, 0);
}
END_TEST

/* A CIE and an FDE as compilers write them; bytes are spoilt before each use. */
static const unsigned char frames[] = {
    /* CIE */ 0x14,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    1,
    'z',
    'R',
    0,
    1,
    0x78,
    0x10,
    1,
    0x1b,
    0x0c,
    7,
    8,
    0x90,
    1,
    0,
    0,
    /* FDE */ 0x1c,
    0,
    0,
    0,
    0x1c,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0x40,
    0,
    0,
    0,
    0,
    0x41,
    0x0e,
    0x10,
    0x86,
    2,
    0x43,
    0x0d,
    6,
    0x0f,
    3,
    0x77,
    8,
    6,
    0,
    0};

START_TEST(spoilt_tables_are_refused_or_understood)
{
    static unsigned char place[sizeof(frames)];
    unsigned found = 0;
    uint64_t at;

    state = 88172645463325252;
    ck_assert_int_eq(names_open(getpid(), &names, NULL), 0);
    memcpy(&at, &(unsigned char *){place}, sizeof(at));
    for (int i = 0; i < ROUNDS * 10; i++) {
        struct unwind_row row = {.found = false};
        uint64_t start = at + 24 + 8;

        memcpy(place, frames, sizeof(frames));
        for (uint64_t k = chance() % 6; k > 0; k--)
            place[chance() % sizeof(place)] = (unsigned char)chance();
        memset(&names->memory, 0, offsetof(struct memory, pages) + sizeof(names->memory.pages[0]));
        for (size_t k = 0; k < MEMORY_PAGES; k++)
            names->memory.pages[k].tag = 0;
        names->memory.tid = getpid();
        fde_row(names, at + 24, start + chance() % 0x40, &row);
        found += row.found;
        ck_assert(row.n_bytes <= ENTRY_MAX);
        free(row.bytes);
    }
    names_close(names);
    ck_assert_uint_gt(found, ROUNDS);
}
END_TEST

static bool
anything(void *env, uint64_t at, uint64_t *ret)
{
    (void)env;
    *ret = at * 3;
    return at % 7 != 0;
}

START_TEST(expressions_of_any_bytes_end)
{
    struct registers regs = {.known = 0xf0f0f};
    struct expression_world world = {.regs = &regs, .read = anything, .has_cfa = true};
    unsigned char bytes[40];
    unsigned understood = 0;
    uint64_t value;

    state = 42;
    for (int i = 0; i < ROUNDS * 20; i++) {
        for (size_t k = 0; k < sizeof(bytes); k++)
            bytes[k] = (unsigned char)chance();
        understood += expression_value(bytes, (size_t)(chance() % sizeof(bytes)), &world, &value);
    }
    ck_assert_uint_gt(understood, 0);
    /* skip to itself */
    ck_assert(!expression_value((const unsigned char *)"\x2f\xfd\xff", 3, &world, &value));
}
END_TEST

START_TEST(stacks_of_any_words_end)
{
    static uint64_t words[512];
    struct names_frame ret[24];
    unsigned deep = 0;
    uint64_t code = 0;

    state = 4711;
    ck_assert_int_eq(names_open(getpid(), &names, NULL), 0);
    memcpy(&code, &(int (*)(pid_t, struct names **, struct error *)){names_open}, sizeof(code));
    for (int i = 0; i < ROUNDS; i++) {
        struct names_stack stack = {.bytes = words, .n = sizeof(words)};
        unsigned n;

        memcpy(&stack.base, &(uint64_t *){words}, sizeof(stack.base));
        stack.sp = stack.base + chance() % 64 * 8;
        stack.pc = code + chance() % 4096;
        for (size_t k = 0; k < ARRAY_LEN(words); k++) {
            uint64_t word = chance();

            if (word % 3 == 0)
                words[k] = code + word % 16384; /* looks like a return address */
            else
                words[k] = word % 3 == 1 ? stack.base + word % sizeof(words) : word;
        }
        n = names_stack(names, &stack, ret, 24);
        ck_assert_uint_le(n, 24);
        deep += n > 3;
        (void)names_start(names, getpid() + 1, &stack);
    }
    names_close(names);
    ck_assert_uint_gt(deep, ROUNDS / 10);
}
END_TEST

START_TEST(addresses_at_the_ends_of_memory_are_no_code)
{
    static const uint64_t odd[] = {0, 1, 7, 4095, UINT64_MAX, UINT64_MAX - 7, UINT64_C(1) << 47};
    struct names_frame ret[4];
    struct place place;

    ck_assert_int_eq(names_open(getpid(), &names, NULL), 0);
    for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
        struct names_stack stack = {.sp = odd[i], .pc = odd[ARRAY_LEN(odd) - 1 - i]};

        ck_assert_uint_le(names_stack(names, &stack, ret, 4), 1);
        names_want(names, odd[i], true);
        names_want_object(names, odd[i]);
        names_place(names, odd[i], true, &place);
        ck_assert(place.unmapped);
    }
    ck_assert_int_eq(names_resolve(names, mono_now_us() + 20000000), 0);
    names_close(names);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("probe.names_hostile");
    TCase *tc = tcase_create("hostile");

    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, spoilt_files_cost_names_and_nothing_else);
    tcase_add_test(tc, spoilt_tables_are_refused_or_understood);
    tcase_add_test(tc, expressions_of_any_bytes_end);
    tcase_add_test(tc, stacks_of_any_words_end);
    tcase_add_test(tc, addresses_at_the_ends_of_memory_are_no_code);
    suite_add_tcase(suite, tc);
    return unit_main(suite);
}
