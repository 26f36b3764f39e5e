// SPDX-License-Identifier: GPL-2.0
/*
 * The device's reader: every record is looked at for what every record must have, and gaps are counted.
 *
 * Rules of this file
 *     - Reads never wait: what a write left is there when the write has returned.
 *     - What one call of tags_read brings is in order of time.
 *     - A reader that begins after load starts each CPU at 0; tags_forget keeps the count.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "module.h"
#include "tags.h"

#define AT_ONCE 256

void tags_open(struct tags *tags)
{
	memset(tags, 0, sizeof(*tags));
	tags->fd = sure(open(DEVICE, O_RDONLY | O_NONBLOCK | O_CLOEXEC));
}

void tags_close(struct tags *tags)
{
	close(tags->fd);
	tags->fd = -1;
}

static void take(struct tags *tags, const struct winnower_tag *tag)
{
	must(tag->magic == WINNOWER_TAG_MAGIC && tag->version == WINNOWER_TAG_VERSION && tag->size == sizeof(*tag),
	     "record of magic %08x version %u size %u", tag->magic, tag->version, tag->size);
	must(tag->cpu < CPUS, "record of CPU %u", tag->cpu);
	must(tag->sequence >= tags->next[tag->cpu], "CPU %u: sequence %llu after %llu", tag->cpu,
	     (unsigned long long)tag->sequence, tags->next[tag->cpu]);
	must(tag->hashed <= WINNOWER_TAG_HASHED && tag->hashed <= tag->length, "hashed %u of %u", tag->hashed, tag->length);
	must(tag->length > 0, "a write of nothing was told");
	tags->gaps += tag->sequence - tags->next[tag->cpu];
	tags->next[tag->cpu] = tag->sequence + 1;
	if (tags->count == tags->room) {
		tags->room = tags->room ? tags->room * 2 : 1024;
		tags->tag = reallocarray(tags->tag, tags->room, sizeof(*tag));
		must(tags->tag, "no memory for %zu tags", tags->room);
	}
	tags->tag[tags->count++] = *tag;
}

static int by_time(const void *a, const void *b)
{
	const struct winnower_tag *one = a, *other = b;

	return one->nanos < other->nanos ? -1 : one->nanos > other->nanos;
}

size_t tags_read(struct tags *tags)
{
	static struct winnower_tag batch[AT_ONCE];
	size_t before = tags->count;

	for (;;) {
		ssize_t got = read(tags->fd, batch, sizeof(batch));
		if (got < 0 && errno == EAGAIN) {
			/* They came CPU by CPU. */
			qsort(tags->tag + before, tags->count - before, sizeof(*tags->tag), by_time);
			return tags->count - before;
		}
		must(got > 0, "read of the device: %zd, %m", got);
		must(got % sizeof(batch[0]) == 0, "read of the device: %zd bytes, no whole records", got);
		for (size_t i = 0; i < got / sizeof(batch[0]); i++)
			take(tags, &batch[i]);
	}
}

void tags_forget(struct tags *tags)
{
	tags_read(tags);
	tags->count = 0;
}

size_t tags_of(const struct tags *tags, unsigned long long inode, const struct winnower_tag **found, size_t most)
{
	size_t count = 0;

	for (size_t i = 0; i < tags->count; i++)
		if (tags->tag[i].inode == inode && count < most)
			found[count++] = &tags->tag[i];
	return count;
}

const struct winnower_tag *tags_only(struct tags *tags, const char *what)
{
	tags->count = 0;
	tags_read(tags);
	must(tags->count == 1, "%s: %zu tags, not one", what, tags->count);
	return &tags->tag[0];
}

void tags_none(struct tags *tags, const char *what)
{
	tags->count = 0;
	tags_read(tags);
	must(tags->count == 0, "%s: told, of %u bytes by %.16s", what, tags->tag[0].length, tags->tag[0].comm);
}
