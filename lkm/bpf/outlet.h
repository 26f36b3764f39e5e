/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* Records on their way to stdout. */
#ifndef WINNOWER_OUTLET_H
#define WINNOWER_OUTLET_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

#include "../winnower_tag.h"

#define OUTLET_RECORDS 2048

struct outlet {
	size_t begin; /* bytes of the records kept that are written */
	size_t end; /* records kept */
	__u64 bytes; /* written in all */
	struct winnower_tag record[OUTLET_RECORDS];
};

void outlet_prepare(void);
bool outlet_put(struct outlet *outlet, const struct winnower_tag *tag);
bool outlet_waits(const struct outlet *outlet);
bool outlet_flush(struct outlet *outlet);

#endif
