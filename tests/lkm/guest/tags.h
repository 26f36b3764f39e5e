/* SPDX-License-Identifier: GPL-2.0 */
#ifndef TAGS_H
#define TAGS_H

#include <stddef.h>
#include <sys/types.h>

#include "winnower_tag.h"

#define CPUS 8

/* What was read of the device so far, in the order of reading. */
struct tags {
	int fd;
	size_t count, room;
	struct winnower_tag *tag;
	unsigned long long gaps;	/* sequence numbers passed over, of all CPUs */
	unsigned long long next[CPUS];	/* the sequence that each CPU tells next */
};

void tags_open(struct tags *tags);
void tags_close(struct tags *tags);
size_t tags_read(struct tags *tags); /* all that wait; how many there were */
void tags_forget(struct tags *tags); /* those read so far; sequences go on */
size_t tags_of(const struct tags *tags, unsigned long long inode, const struct winnower_tag **found, size_t most);
const struct winnower_tag *tags_only(struct tags *tags, const char *what); /* read; there must be exactly one */
void tags_none(struct tags *tags, const char *what);

#endif
