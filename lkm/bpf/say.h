/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* What the helper says on stderr: one JSON object a line, nothing else. */
#ifndef WINNOWER_SAY_H
#define WINNOWER_SAY_H

#include <linux/types.h>

struct totals {
	__u64 tagged;
	__u64 dropped;
	__u64 read;
	__u64 missed;
	__u64 unwalked;
};

void say_ready(const char *mode, __u32 load);
void say_refused(const char *why, const char *hint);
void say_totals(const struct totals *totals);

#endif
