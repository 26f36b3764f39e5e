/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One entry of a parameter that is a list, and the kinds of entries there are.
 *
 * Rules of this file
 *     - A kind takes an entry out of text, says it as text again, lets go what it holds.
 */
#ifndef WINNOWER_ENTRY_H
#define WINNOWER_ENTRY_H

#include <linux/types.h>

union winnower_entry {
	char *folder; /* without a slash at its end */
	u64 cgroup;
	struct pid *pid;
};

struct winnower_kind {
	unsigned int most; /* entries in a list */
	int (*take)(union winnower_entry *entry, const char *text);
	int (*say)(const union winnower_entry *entry, char *text, size_t size);
	void (*drop)(const union winnower_entry *entry); /* NULL: it holds nothing */
};

extern const struct winnower_kind winnower_folder;
extern const struct winnower_kind winnower_cgroup;
extern const struct winnower_kind winnower_pid;

#endif
