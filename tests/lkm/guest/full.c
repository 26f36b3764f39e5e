// SPDX-License-Identifier: GPL-2.0
/* A full buffer drops what is newest, counts it, shows it as a gap, and makes no writer wait; a storm is told or counted. */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "facts.h"
#include "module.h"
#include "place.h"
#include "tags.h"

#define RECORDS 64
#define LINES 1000
#define TIMED 5000
#define WRITERS 4

static int fd;

static void say(void *count)
{
	pinned(0);
	for (int i = 0; i < *(int *)count; i++)
		must(write(fd, "line\n", 5) == 5, "write: %m");
}

static void lines(int count)
{
	done(say, &count);
}

CHECK(full, STEADY)
{
	struct tags tags;

	module_reload("records=64");
	fd = log_open("/tmp/full.log");
	lines(LINES);
	must(statistic("tagged") == LINES && statistic("dropped") == LINES - RECORDS && statistic("waiting") == RECORDS,
	     "tagged %llu, dropped %llu, waiting %llu", statistic("tagged"), statistic("dropped"), statistic("waiting"));
	tags_open(&tags);
	must(tags_read(&tags) == RECORDS, "%zu tags", tags.count);
	for (int i = 0; i < RECORDS; i++)
		must(tags.tag[i].sequence == (unsigned)i && tags.tag[i].offset == 5ull * i, "the newest were not the ones dropped");
	lines(1);
	must(tags_only(&tags, "after the gap")->sequence == LINES, "sequence %llu", (unsigned long long)tags.tag[0].sequence);
	must(tags.tag[0].offset == 5 * LINES, "offset %llu", (unsigned long long)tags.tag[0].offset);
	must(tags.gaps == statistic("dropped"), "gaps of %llu, %llu dropped", tags.gaps, statistic("dropped"));
	lines(RECORDS);
	tags_read(&tags);
	must(tags.gaps == statistic("dropped") && tags.count == 1 + RECORDS, "the ring does not go on: %zu", tags.count);
	note("%llu of %d dropped, gaps say so", tags.gaps, LINES + 1 + RECORDS);
}

static uint64_t *took;

static void timed(void *unused)
{
	(void)unused;
	pinned(0);
	uint64_t begin = nanos_now();
	for (int i = 0; i < TIMED; i++) {
		uint64_t before = nanos_now();

		must(write(fd, "line\n", 5) == 5, "write: %m");
		uint64_t one = nanos_now() - before;
		took[1] = one > took[1] ? one : took[1];
	}
	took[0] = nanos_now() - begin;
}

/* Full or with room: the same order of time for all, and no single write that waited for a reader. */
CHECK(never_wait, STEADY)
{
	uint64_t room, full;

	took = mmap_shared(2 * sizeof(*took));
	module_reload("records=16384");
	fd = log_open("/tmp/wait.log");
	done(timed, NULL);
	room = took[0];
	must(statistic("dropped") == 0, "dropped with room");
	module_reload("records=16");
	took[1] = 0;
	done(timed, NULL);
	full = took[0];
	must(statistic("dropped") == TIMED - 16, "%llu dropped", statistic("dropped"));
	must(full < 3 * room, "%d writes with a full buffer took %llu us, with room %llu us", TIMED,
	     (unsigned long long)full / 1000, (unsigned long long)room / 1000);
	must(took[1] < 1000000000, "one write took %llu us", (unsigned long long)took[1] / 1000);
	note("full/room %.2f, the slowest of %d: %llu us", (double)full / room, TIMED, (unsigned long long)took[1] / 1000);
}

static unsigned long long *written;
static volatile int *stop;

static void storm(void *number)
{
	char name[64];
	int each = *(int *)number;

	snprintf(name, sizeof(name), "/tmp/storm.%d", each);
	int file = log_open(name);
	while (!*stop)
		for (int i = 0; i < 100; i++)
			if (write(file, "0123456789", 10) == 10)
				written[each]++;
}

/* As many writes as there can be, with a live reader: each is a tag or in a gap, and none was missed. */
CHECK(storm, STEADY)
{
	int numbers[WRITERS];
	pid_t children[WRITERS];
	unsigned long long all = 0, read = 0;
	struct tags tags;

	written = mmap_shared(WRITERS * sizeof(*written));
	stop = mmap_shared(sizeof(int));
	tags_open(&tags);
	uint64_t begin = nanos_now();
	for (int i = 0; i < WRITERS; i++) {
		numbers[i] = i;
		children[i] = start(storm, &numbers[i]);
	}
	while (nanos_now() - begin < 2000000000) {
		struct pollfd ready = { .fd = tags.fd, .events = POLLIN };

		poll(&ready, 1, 50);
		read += tags_read(&tags);
		tags.count = 0;
	}
	*stop = 1;
	uint64_t end = nanos_now();
	for (int i = 0; i < WRITERS; i++) {
		ended(children[i]);
		all += written[i];
	}
	read += tags_read(&tags);
	must(statistic("missed") == 0, "%llu missed", statistic("missed"));
	must(statistic("tagged") == all, "%llu told, %llu written", statistic("tagged"), all);
	must(all == statistic("read") + statistic("dropped"), "read %llu, dropped %llu of %llu", statistic("read"),
	     statistic("dropped"), all);
	/* What was dropped last shows as a gap only when the next tag of that CPU comes. */
	for (int cpu = 0; cpu < 2; cpu++) {
		fd = log_open("/tmp/storm.end");
		lines(1);
		read += tags_read(&tags);
	}
	must(read <= all + 2 && read + tags.gaps <= all + 2, "%llu read, gaps of %llu, %llu written", read, tags.gaps, all);
	note("%llu writes/s, %llu%% read, the rest counted", (unsigned long long)(all * 1000000000.0 / (end - begin)),
	     read * 100 / (all + 2));
}
