/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PROFILE_FLAMEGRAPH_H
#define STINT_PROFILE_FLAMEGRAPH_H

/* What is the same in each flame graph: its style, its two buttons, and what they and a click do. */
extern const char flamegraph_style[], flamegraph_buttons[], flamegraph_script[];

#endif
