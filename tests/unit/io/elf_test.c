/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/elf.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "tests/unit/unit.h"

/* The smallest program with everything in it: header, two program headers, interpreter, sections. */
struct small {
    Elf64_Ehdr h;
    Elf64_Phdr ph[2];
    char interpreter[32];
    char code[64];
    Elf64_Shdr sh[2];
};

static struct small
small_elf(void)
{
    struct small s = {
        .h = {.e_type = ET_DYN,
              .e_version = EV_CURRENT,
              .e_phoff = offsetof(struct small, ph),
              .e_shoff = offsetof(struct small, sh),
              .e_ehsize = sizeof(Elf64_Ehdr),
              .e_phentsize = sizeof(Elf64_Phdr),
              .e_phnum = 2,
              .e_shentsize = sizeof(Elf64_Shdr),
              .e_shnum = 2},
        .ph = {{.p_type = PT_INTERP,
                .p_offset = offsetof(struct small, interpreter),
                .p_filesz = sizeof("/lib/ld.so")},
              {.p_type = PT_LOAD, .p_offset = 0, .p_filesz = offsetof(struct small, sh)}},
        .interpreter = "/lib/ld.so",
    };
    struct elf_facts facts;
    int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    Elf64_Ehdr ours;

    ck_assert_int_eq(read(self, &ours, sizeof(ours)), sizeof(ours));
    ck_assert_int_eq(close(self), 0);
    memcpy(s.h.e_ident, ours.e_ident, sizeof(s.h.e_ident));
    s.h.e_machine = ours.e_machine;
    ck_assert_int_eq(elf_check_bytes(&s, sizeof(s), &facts, NULL), 0);
    ck_assert_str_eq(facts.interpreter, "/lib/ld.so");
    ck_assert_uint_eq(facts.type, ET_DYN);
    return s;
}

/* refused - and the sentence holds @word. */
static void
refused(const struct small *s, const char *word)
{
    struct elf_facts facts;
    struct error err = {0};

    ck_assert_int_eq(elf_check_bytes(s, sizeof(*s), &facts, &err), -ENOEXEC);
    ck_assert_msg(strstr(err.text, word) != NULL, "'%s' does not say '%s'", err.text, word);
}

START_TEST(a_program_cut_at_any_length_is_refused)
{
    struct small s = small_elf();
    struct elf_facts facts;
    struct error err;

    for (size_t n = 0; n < sizeof(s); n++) {
        char *copy =
            malloc(n + 1); /* of exactly that size, so that a sanitizer sees a byte too far */

        ck_assert_ptr_nonnull(copy);
        memcpy(copy, &s, n);
        copy = realloc(copy, n ? n : 1);
        err = (struct error){0};
        ck_assert_int_eq(elf_check_bytes(copy, n, &facts, &err), -ENOEXEC);
        ck_assert_ptr_nonnull(strstr(err.text, "cut short"));
        free(copy);
    }
}
END_TEST

START_TEST(a_file_that_is_cut_while_it_is_read_is_refused)
{
    struct small s = small_elf();
    struct elf_facts facts;
    char name[] = "/tmp/stint-elf.XXXXXX";
    auto_fd int fd = mkostemp(name, O_CLOEXEC);

    ck_assert_int_eq(unlink(name), 0);
    for (size_t n = 0; n <= sizeof(s); n += 8) {
        ck_assert_int_eq(ftruncate(fd, 0), 0);
        ck_assert_int_eq(pwrite(fd, &s, n, 0), (ssize_t)n);
        int r = elf_check_fd(fd, sizeof(s), &facts, NULL); /* as long as fstat() said before */

        ck_assert_int_eq(r, n < offsetof(struct small, interpreter) + 11 ? -ENOEXEC : 0);
    }
}
END_TEST

START_TEST(this_very_program_is_whole)
{
    auto_fd int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    struct elf_facts facts;
    struct stat st;

    ck_assert_int_eq(fstat(fd, &st), 0);
    ck_assert_int_eq(elf_check_fd(fd, (uint64_t)st.st_size, &facts, NULL), 0);
    ck_assert_int_eq(access(facts.interpreter, X_OK), 0);
}
END_TEST

START_TEST(wrong_class_machine_and_type_are_named)
{
    struct small s = small_elf();

    s.h.e_machine = EM_SPARC;
    refused(&s, "another machine (ELF number 2)");
    s = small_elf();
    s.h.e_ident[EI_CLASS] = ELFCLASS32;
    refused(&s, "64-bit");
    s = small_elf();
    s.h.e_ident[EI_DATA] ^= ELFDATA2LSB ^ ELFDATA2MSB;
    refused(&s, "byte order");
    s = small_elf();
    s.h.e_type = ET_REL;
    refused(&s, "type 1, not a program");
    s = small_elf();
    s.h.e_ident[0] = 'x';
    refused(&s, "not an ELF file");
}
END_TEST

START_TEST(numbers_that_overflow_are_refused)
{
    struct small s = small_elf();

    s.h.e_phoff = UINT64_MAX - 8;
    refused(&s, "program headers");
    s = small_elf();
    s.h.e_shoff = UINT64_MAX - 8;
    refused(&s, "section table");
    s = small_elf();
    s.ph[1].p_offset = UINT64_MAX;
    refused(&s, "segment 1");
    s = small_elf();
    s.ph[1].p_filesz = UINT64_MAX;
    refused(&s, "segment 1");
    s = small_elf();
    s.h.e_phentsize = 1;
    refused(&s, "make no sense");
    s = small_elf();
    s.h.e_phnum = 0;
    refused(&s, "make no sense");
    s = small_elf();
    s.ph[1].p_type = PT_NOTE;
    refused(&s, "nothing to load");
    s = small_elf();
    memset(s.code, 'x', sizeof(s.code));
    s.ph[0].p_filesz = sizeof(s.interpreter) + 10;
    refused(&s, "has no end");
    s = small_elf();
    s.ph[0].p_filesz = 1;
    refused(&s, "makes no sense");
}
END_TEST

START_TEST(a_program_without_sections_is_fine)
{
    struct small s = small_elf();
    struct elf_facts facts;

    s.h.e_shoff = 0;
    s.h.e_shnum = 0;
    ck_assert_int_eq(elf_check_bytes(&s, offsetof(struct small, sh), &facts, NULL), 0);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("elf");
    TCase *t = tcase_create("elf");

    tcase_add_test(t, a_program_cut_at_any_length_is_refused);
    tcase_add_test(t, a_file_that_is_cut_while_it_is_read_is_refused);
    tcase_add_test(t, this_very_program_is_whole);
    tcase_add_test(t, wrong_class_machine_and_type_are_named);
    tcase_add_test(t, numbers_that_overflow_are_refused);
    tcase_add_test(t, a_program_without_sections_is_fine);
    suite_add_tcase(s, t);
    return unit_main(s);
}
