/* SPDX-License-Identifier: GPL-2.0-or-later */
/* {slot}: what differs between the workers of one generation. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "config/spec.h"

static const char slot_word[] = "{slot}", slot_literal[] = "{{slot}}";

enum { WORD = sizeof(slot_word) - 1, LITERAL = sizeof(slot_literal) - 1 };

/* The next of the two in @text; NULL: there is none (any more). */
static const char *
slot_next(const char *text, bool *ret_literal)
{
    const char *brace = text;

    while ((brace = strchr(brace, '{')) != NULL) {
        *ret_literal = strncmp(brace, slot_literal, LITERAL) == 0;
        if (*ret_literal || strncmp(brace, slot_word, WORD) == 0)
            return brace;
        brace++;
    }
    return NULL;
}

bool
slot_in_text(const char *text)
{
    bool literal = false;

    for (; (text = slot_next(text, &literal)) != NULL; text += LITERAL)
        if (!literal)
            return true;
    return false;
}

char *
slot_text(const char *text, unsigned slot)
{
    struct text out = TEXT_INIT;
    bool literal = false;

    for (const char *at; (at = slot_next(text, &literal)) != NULL;) {
        text_addn(&out, text, (size_t)(at - text));
        if (literal)
            text_add(&out, slot_word);
        else
            text_addf(&out, "%u", slot);
        text = at + (literal ? LITERAL : WORD);
    }
    text_add(&out, text);
    return text_steal(&out);
}

int
slot_argv(const struct strv *argv, unsigned slot, struct strv *ret)
{
    struct strv out = {NULL, 0};

    for (size_t i = 0; i < argv->n; i++) {
        char *word = slot_text(argv->items[i], slot);
        int r = word ? strv_add(&out, word) : -1;

        free(word);
        if (r < 0) {
            strv_finish(&out);
            return -ENOMEM;
        }
    }
    *ret = out;
    return 0;
}
