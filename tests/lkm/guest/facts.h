/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FACTS_H
#define FACTS_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "winnower_tag.h"

/* What a thread is, asked of the kernel by other ways than the module's. */
struct facts {
	uint32_t tgid, pid, inner_tgid, inner_pid, namespace_id, uid, auid;
	uint64_t cgroup;
	char comm[16];
};

void facts_here(struct facts *facts);
uint64_t nanos_now(void);

/* Fails the check unless the tag says this thread, this place of the file that is open as `fd`, these bytes. */
void tag_must(const struct winnower_tag *tag, const struct facts *facts, int fd, uint64_t offset, const void *bytes,
	      size_t size, const char *what);

#endif
