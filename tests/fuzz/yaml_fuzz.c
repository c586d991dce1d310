/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any bytes through the configuration reader: it must say something or accept them, and what it
 * accepts must survive the way through its canonical text.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/text.h"
#include "config/config.h"
#include "config/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool holds)
{
    if (!holds)
        abort();
}

static void
check_service(const struct service_spec *s)
{
    auto_text struct text text = TEXT_INIT, again = TEXT_INIT;
    struct diagnostics diags = {NULL, 0, 0};
    struct service_spec *back = NULL;

    service_spec_canonical(s, &text);
    must(spec_parse_canonical(text_str(&text), text.bytes, &back, &diags) == 0 && diags.n == 0);
    must(service_spec_equal(s, back) && service_spec_diff(s, back, NULL) == RELOAD_NONE);
    must(digest_equal(service_spec_launch_digest(s), service_spec_launch_digest(back)));
    service_spec_canonical(back, &again);
    must(text.bytes == again.bytes);
    service_spec_unref(back);
    diagnostics_finish(&diags);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct diagnostics diags = {NULL, 0, 0};
    auto_text struct text shown = TEXT_INIT;
    struct spec *spec = NULL;
    int r = config_parse("input", (const char *)data, size, &spec, &diags);

    must((r == 0) == (spec != NULL) && (r < 0) == (diags.n > 0));
    diagnostics_render(&diags, &shown);
    for (size_t i = 0; spec && i < spec->n_services; i++)
        check_service(spec->services[i]);
    spec_destroy(spec);
    diagnostics_finish(&diags);
    return 0;
}
