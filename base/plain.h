/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_BASE_PLAIN_H
#define STINT_BASE_PLAIN_H

/* plain_text - in place: control characters and what is not UTF-8 become '?', byte for byte. */
void plain_text(char *s);

#endif
