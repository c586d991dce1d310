/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_CLI_RENDER_PREFLIGHT_H
#define STINT_CLI_RENDER_PREFLIGHT_H

/* What a preflight found, for people, for programs (stint.preflight/1, docs/api.md) and for CI. */
struct cli;
struct preflight_report;

void render_preflight(struct cli *cli, const char *service, const struct preflight_report *r);
void render_preflight_json(struct cli *cli, const char *service, const struct preflight_report *r);
void render_preflight_junit(struct cli *cli, const char *service, const struct preflight_report *r);

#endif
