/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/elf.h"

#include <elf.h>
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"

#if __BYTE_ORDER == __LITTLE_ENDIAN
#define OUR_DATA ELFDATA2LSB
#else
#define OUR_DATA ELFDATA2MSB
#endif

#if defined(__x86_64__)
#define OUR_MACHINE EM_X86_64
#define OUR_NAME    "x86-64"
#elif defined(__aarch64__)
#define OUR_MACHINE EM_AARCH64
#define OUR_NAME    "aarch64"
#elif defined(__riscv)
#define OUR_MACHINE EM_RISCV
#define OUR_NAME    "riscv"
#elif defined(__powerpc64__)
#define OUR_MACHINE EM_PPC64
#define OUR_NAME    "ppc64"
#elif defined(__s390x__)
#define OUR_MACHINE EM_S390
#define OUR_NAME    "s390x"
#else
#error "name this machine's ELF number here"
#endif

#define HEADERS_MAX 4096 /* program headers; the kernel itself stops at 64 KiB of them */

bool
elf_magic(const void *head, size_t bytes)
{
    return bytes >= SELFMAG && memcmp(head, ELFMAG, SELFMAG) == 0;
}

/* inside - does [offset, offset + bytes) lie in a file of @size bytes? No sum can overflow. */
static bool
inside(uint64_t offset, uint64_t bytes, uint64_t size)
{
    return offset <= size && bytes <= size - offset;
}

static int
read_all(const struct elf_source *from, void *buf, size_t bytes, uint64_t offset)
{
    char *p = buf;

    while (bytes > 0) {
        ssize_t n = from->read(from->env, p, bytes, offset);

        if (n < 0)
            return -EIO;
        if (n == 0)
            return -ENOEXEC; /* it shrank under us */
        p += n;
        offset += (uint64_t)n;
        bytes -= (size_t)n;
    }
    return 0;
}

static int
header_check(const Elf64_Ehdr *h, struct error *reterr)
{
    if (!elf_magic(h->e_ident, sizeof(h->e_ident)))
        return error_say(reterr, -ENOEXEC, "it is not an ELF file");
    if (h->e_ident[EI_CLASS] != ELFCLASS64)
        return error_say(reterr, -ENOEXEC, "it is not a 64-bit program");
    if (h->e_ident[EI_DATA] != OUR_DATA)
        return error_say(reterr, -ENOEXEC, "its byte order is not this machine's");
    if (h->e_machine != OUR_MACHINE)
        return error_say(reterr, -ENOEXEC, "it is for another machine (ELF number %u), not %s",
                         (unsigned)h->e_machine, OUR_NAME);
    if (h->e_type != ET_EXEC && h->e_type != ET_DYN)
        return error_say(reterr, -ENOEXEC, "it is an ELF file of type %u, not a program",
                         (unsigned)h->e_type);
    if (h->e_phnum == 0 || h->e_phnum > HEADERS_MAX || h->e_phentsize != sizeof(Elf64_Phdr))
        return error_say(reterr, -ENOEXEC, "its program headers make no sense");
    return 0;
}

static int
sections_check(const Elf64_Ehdr *h, uint64_t size, struct error *reterr)
{
    if (h->e_shoff == 0) /* stripped of them: legal */
        return 0;
    if (h->e_shnum > 0 && h->e_shentsize != sizeof(Elf64_Shdr))
        return error_say(reterr, -ENOEXEC, "its section table makes no sense");
    /* e_shnum 0: the number is in the first entry, so there is one at least */
    uint64_t bytes = (h->e_shnum ? (uint64_t)h->e_shnum : 1) * sizeof(Elf64_Shdr);

    if (!inside(h->e_shoff, bytes, size))
        return error_say(reterr, -ENOEXEC,
                         "it is cut short: %" PRIu64 " bytes, its section table ends at %" PRIu64,
                         size, h->e_shoff + bytes);
    return 0;
}

static int
interpreter_read(const struct elf_source *from, const Elf64_Phdr *ph, struct elf_facts *facts,
                 struct error *reterr)
{
    int r;

    if (ph->p_filesz < 2 || ph->p_filesz > sizeof(facts->interpreter))
        return error_say(reterr, -ENOEXEC, "the name of its interpreter makes no sense");
    r = read_all(from, facts->interpreter, (size_t)ph->p_filesz, ph->p_offset);
    if (r < 0)
        return error_say(reterr, r, "its interpreter could not be read");
    if (facts->interpreter[ph->p_filesz - 1] != '\0')
        return error_say(reterr, -ENOEXEC, "the name of its interpreter has no end");
    return 0;
}

static int
programs_check(const struct elf_source *from, const Elf64_Ehdr *h, struct elf_facts *facts,
               struct error *reterr)
{
    bool loadable = false;
    int r;

    if (!inside(h->e_phoff, (uint64_t)h->e_phnum * sizeof(Elf64_Phdr), from->bytes))
        return error_say(reterr, -ENOEXEC,
                         "it is cut short: %" PRIu64 " bytes, its program headers lie behind that",
                         from->bytes);
    for (unsigned i = 0; i < h->e_phnum; i++) {
        Elf64_Phdr ph;

        r = read_all(from, &ph, sizeof(ph), h->e_phoff + i * sizeof(ph));
        if (r < 0)
            return error_say(reterr, r, "its program headers could not be read");
        if (ph.p_type != PT_LOAD && ph.p_type != PT_INTERP)
            continue;
        if (!inside(ph.p_offset, ph.p_filesz, from->bytes))
            return error_say(reterr, -ENOEXEC,
                             "it is cut short: %" PRIu64 " bytes, segment %u needs more",
                             from->bytes, i);
        loadable = loadable || ph.p_type == PT_LOAD;
        if (ph.p_type == PT_INTERP) {
            r = interpreter_read(from, &ph, facts, reterr);
            if (r < 0)
                return r;
        }
    }
    return loadable ? 0 : error_say(reterr, -ENOEXEC, "it has nothing to load");
}

int
elf_check(const struct elf_source *from, struct elf_facts *ret, struct error *reterr)
{
    struct elf_facts facts = {0};
    Elf64_Ehdr h;
    int r;

    if (from->bytes < sizeof(h))
        return error_say(reterr, -ENOEXEC, "it is cut short: %" PRIu64 " bytes hold no ELF header",
                         from->bytes);
    r = read_all(from, &h, sizeof(h), 0);
    if (r < 0)
        return error_say(reterr, r, "its header could not be read");
    r = header_check(&h, reterr);
    if (r == 0)
        r = programs_check(from, &h, &facts, reterr);
    if (r == 0)
        r = sections_check(&h, from->bytes, reterr);
    if (r < 0)
        return r;
    facts.type = h.e_type;
    facts.machine = h.e_machine;
    *ret = facts;
    return 0;
}

struct block {
    const unsigned char *data;
    size_t bytes;
};

static ssize_t
read_block(void *env, void *buf, size_t bytes, uint64_t offset)
{
    const struct block *b = env;

    if (offset >= b->bytes)
        return 0;
    if (bytes > b->bytes - offset)
        bytes = b->bytes - (size_t)offset;
    memcpy(buf, b->data + offset, bytes);
    return (ssize_t)bytes;
}

int
elf_check_bytes(const void *data, size_t bytes, struct elf_facts *ret, struct error *reterr)
{
    struct block b = {data, bytes};
    struct elf_source from = {read_block, &b, bytes};

    return elf_check(&from, ret, reterr);
}

static ssize_t
read_fd(void *env, void *buf, size_t bytes, uint64_t offset)
{
    ssize_t n;

    if (offset > INT64_MAX)
        return 0;
    do
        n = pread(*(int *)env, buf, bytes, (off_t)offset);
    while (n == -1 && errno == EINTR);
    return n;
}

int
elf_check_fd(int fd, uint64_t bytes, struct elf_facts *ret, struct error *reterr)
{
    struct elf_source from = {read_fd, &fd, bytes};

    return elf_check(&from, ret, reterr);
}
