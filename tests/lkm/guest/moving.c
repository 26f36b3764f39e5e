// SPDX-License-Identifier: GPL-2.0
/*
 * Files that are renamed, truncated, copied away and rotated while they are written.
 *
 * Rules of this file
 *     - What each write held is known from its number, so that a tag can be checked after its bytes are gone.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "crc.h"
#include "module.h"
#include "place.h"
#include "tags.h"

#define LINES 800
#define FILES 8

static volatile int *written; /* lines so far, of all writers */

static int line_of(char *line, size_t room, int n)
{
	int size = snprintf(line, room, "line %d ", n);

	memset(line + size, 'a' + n % 26, 40);
	snprintf(line + size + n % 40, room - size, "\n");
	return strlen(line);
}

/* A writer leaves the others time to move its file. */
static void wrote(int n)
{
	__atomic_add_fetch(written, 1, __ATOMIC_RELAXED);
	if (n % 8 == 0)
		usleep(500);
}

static void lines(void *fd)
{
	char line[128];

	for (int n = 0; n < LINES; n++) {
		int size = line_of(line, sizeof(line), n);

		must(write(*(int *)fd, line, size) == size, "write: %m");
		wrote(n);
	}
}

static void until(int count)
{
	while (*written < count)
		sched_yield();
}

/* The tags in order of time: numbers go up by one, and each is of its own line's length and hash. */
static void compare(const struct tags *tags)
{
	char line[128];

	must(tags->count == LINES && !tags->gaps, "%zu tags of %d, %llu gaps", tags->count, LINES, tags->gaps);
	for (int n = 0; n < LINES; n++) {
		const struct winnower_tag *found = NULL;
		uint32_t size = line_of(line, sizeof(line), n), crc = crc32(line, size);

		for (size_t i = 0; i < tags->count && !found; i++)
			if (tags->tag[i].crc == crc && tags->tag[i].length == size)
				found = &tags->tag[i];
		must(found, "line %d is in no tag", n);
	}
}

static int by_time(const void *a, const void *b)
{
	const struct winnower_tag *one = a, *other = b;

	return one->nanos < other->nanos ? -1 : one->nanos > other->nanos;
}

/* Bytes of the file at each tag's place, for tags from the `from`-th on, are the tag's. */
static void fits(const struct tags *tags, size_t from, size_t to, int fd)
{
	char bytes[128];

	for (size_t i = from; i < to; i++) {
		const struct winnower_tag *tag = &tags->tag[i];

		must(pread(fd, bytes, tag->length, tag->offset) == (ssize_t)tag->length, "tag %zu: no such bytes", i);
		must(crc32(bytes, tag->length) == tag->crc, "tag %zu: other bytes at %llu", i, (unsigned long long)tag->offset);
	}
}

CHECK(renamed, STEADY)
{
	int fd = log_open("/tmp/moving.log");
	struct tags tags;

	written = mmap_shared(sizeof(int));
	tags_open(&tags);
	pid_t child = start(lines, &fd);
	for (int i = 1; i <= 20; i++) {
		until(i * LINES / 25);
		sure(rename(i % 2 ? "/tmp/moving.log" : "/tmp/moved.log", i % 2 ? "/tmp/moved.log" : "/tmp/moving.log"));
	}
	sure(unlink("/tmp/moving.log"));
	ended(child);
	tags_read(&tags);
	compare(&tags);
	fits(&tags, 0, tags.count, fd);
}

/* copytruncate: after each truncation offsets begin at 0 again; the last stretch is in the file. */
CHECK(truncated, STEADY)
{
	int fd = log_open("/tmp/truncated.log"), cuts = 0;
	struct tags tags;
	size_t last = 0;

	written = mmap_shared(sizeof(int));
	tags_open(&tags);
	pid_t child = start(lines, &fd);
	for (int i = 1; i <= 10; i++) {
		until(i * LINES / 15);
		sure(ftruncate(fd, 0));
	}
	ended(child);
	tags_read(&tags);
	compare(&tags);
	qsort(tags.tag, tags.count, sizeof(*tags.tag), by_time);
	for (size_t i = 0; i < tags.count; i++) {
		uint64_t next = i ? tags.tag[i - 1].offset + tags.tag[i - 1].length : 0;

		must(tags.tag[i].offset == next || tags.tag[i].offset == 0, "tag %zu begins at %llu, not at %llu or 0", i,
		     (unsigned long long)tags.tag[i].offset, (unsigned long long)next);
		if (i && tags.tag[i].offset == 0)
			cuts++, last = i;
	}
	must(cuts >= 5 && cuts <= 10, "%d truncations seen of 10", cuts);
	fits(&tags, last, tags.count, fd);
	note("%d truncations seen of 10", cuts);
}

static void rotating(void *unused)
{
	char line[128];

	(void)unused;
	for (int n = 0; n < LINES; n++) {
		int fd = sure(open("/tmp/rotating.log", O_WRONLY | O_CREAT | O_APPEND, 0644));
		int size = line_of(line, sizeof(line), n);

		must(write(fd, line, size) == size, "write: %m");
		close(fd);
		wrote(n);
	}
}

CHECK(rotated, STEADY)
{
	char name[64];
	int files[FILES + 1], total = 0;
	struct tags tags;

	written = mmap_shared(sizeof(int));
	close(log_open("/tmp/rotating.log"));
	tags_open(&tags);
	pid_t child = start(rotating, NULL);
	for (int i = 0; i < FILES; i++) {
		until((i + 1) * LINES / (FILES + 2));
		snprintf(name, sizeof(name), "/tmp/rotating.log.%d", i);
		sure(rename("/tmp/rotating.log", name));
		files[i] = sure(open(name, O_RDONLY));
		until(*written + 2);
	}
	ended(child);
	files[FILES] = sure(open("/tmp/rotating.log", O_RDONLY));
	tags_read(&tags);
	compare(&tags);
	for (int i = 0; i <= FILES; i++) {
		const struct winnower_tag *found[LINES];
		struct stat st;
		size_t bytes = 0;

		sure(fstat(files[i], &st));
		size_t count = tags_of(&tags, st.st_ino, found, LINES);
		for (size_t j = 0; j < count; j++) {
			struct tags one = { .tag = (struct winnower_tag *)found[j] };

			fits(&one, 0, 1, files[i]);
			bytes += found[j]->length;
		}
		must(bytes == (size_t)st.st_size, "file %d: %zu bytes told of %zu", i, bytes, (size_t)st.st_size);
		total += count;
	}
	must(total == LINES, "%d lines in %d files", total, FILES + 1);
	note("%d lines in %d files", total, FILES + 1);
}
