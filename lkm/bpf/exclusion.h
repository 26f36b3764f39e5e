/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* Processes that are never tagged. */
#ifndef WINNOWER_EXCLUSION_H
#define WINNOWER_EXCLUSION_H

#include <poll.h>
#include <linux/types.h>

#include "options.h"

struct exclusion {
	int map;
	int count;
	__u32 process[MAX_EXCLUDED];
	int watch[MAX_EXCLUDED];
};

__u32 exclusion_namespace(void);
void exclusion_begin(struct exclusion *exclusion, int map, const struct options *options);
int exclusion_polls(const struct exclusion *exclusion, struct pollfd *polls);
void exclusion_ended(struct exclusion *exclusion, const struct pollfd *polls);

#endif
