// SPDX-License-Identifier: GPL-2.0
/*
 * The sequence wraps after 2^64: told by a module built to begin shortly before that.
 *
 * Rules of this file
 *     - It reads the device itself: who counts gaps by a sequence that only grows (tags.c) would be wrong here.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "module.h"
#include "place.h"
#include "winnower_tag.h"

#define FILE_KO "/files/wrap.ko"
#define FIRST 0xfffffffffffffff0ull
#define LINES 200
#define RECORDS 64

static int fd;

static void say(void *count)
{
	pinned(0);
	for (int i = 0; i < *(int *)count; i++)
		must(write(fd, "line\n", 5) == 5, "write: %m");
}

CHECK(wrap, STEADY)
{
	struct winnower_tag tags[LINES];
	int count = LINES, one = 1;

	if (access(FILE_KO, R_OK))
		skip("no module that begins before the wrap");
	must(!module_unload(), "unload");
	must(!module_load_file(FILE_KO, "records=64"), "load");
	fd = log_open("/tmp/wrap.log");
	done(say, &count);
	int in = sure(open(DEVICE, O_RDONLY | O_NONBLOCK));
	must(read(in, tags, sizeof(tags)) == RECORDS * sizeof(tags[0]), "read: %m");
	for (int i = 0; i < RECORDS; i++)
		must(tags[i].sequence == FIRST + i && tags[i].offset == 5ull * i, "tag %d: sequence %llx", i,
		     (unsigned long long)tags[i].sequence);
	done(say, &one);
	must(read(in, tags, sizeof(tags)) == sizeof(tags[0]), "read: %m");
	must(tags[0].sequence == FIRST + LINES, "after a gap over the wrap: sequence %llx", (unsigned long long)tags[0].sequence);
	must(statistic("dropped") == LINES - RECORDS, "%llu dropped", statistic("dropped"));
	note("from %llx over 0 to %llx, %llu dropped on the way", FIRST, (unsigned long long)tags[0].sequence,
	     statistic("dropped"));
	close(in);
}
