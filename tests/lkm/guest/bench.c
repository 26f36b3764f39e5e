// SPDX-License-Identifier: GPL-2.0
/*
 * What a write costs, with the module and without, in rounds that take turns; lines `MEASURE round what nanoseconds`.
 *
 * Rules of this file
 *     - Each round measures every baseline again, beside what it is the baseline of: a machine gets slower and faster.
 *     - A program of its own, not a check: what it says is put together by lkm/boot/bench.py.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "facts.h"
#include "module.h"
#include "place.h"
#include "tags.h"

#define ROUNDS 9
#define WRITES 10000

static int results, nowhere_at_all, plain, log_file, round_number;
static char bytes[80];

static void measure(const char *what, int fd)
{
	if (fd == log_file)
		sure(ftruncate(fd, 0));
	uint64_t begin = nanos_now();
	for (int i = 0; i < WRITES; i++) {
		if (fd == plain)
			sure(pwrite(fd, bytes, sizeof(bytes), 0));
		else
			sure(write(fd, bytes, sizeof(bytes)));
	}
	uint64_t took = nanos_now() - begin;
	dprintf(results, "MEASURE %d %s %llu\n", round_number, what, (unsigned long long)took / WRITES);
}

static void reading(void *unused)
{
	struct winnower_tag batch[256];
	int fd = sure(open(DEVICE, O_RDONLY));

	(void)unused;
	for (;;)
		sure(read(fd, batch, sizeof(batch)));
}

static void one_round(void)
{
	module_unload();
	measure("null:base", nowhere_at_all);
	measure("plain:base", plain);
	measure("log:base", log_file);
	module_reload("records=65536");
	measure("null:loaded", nowhere_at_all);
	measure("plain:loaded", plain);
	parameter_must("paths", "/var/log,/srv/logs");
	measure("plain:other_paths", plain);
	parameter_must("paths", "");
	parameter_number("cgroups", cgroup_make("nobody"));
	measure("log:other_cgroup", log_file);
	parameter_must("cgroups", "");
	measure("log:room", log_file);
	pid_t reader = start(reading, NULL);
	usleep(100000);
	measure("log:reader", log_file);
	kill(reader, SIGKILL);
	waitpid(reader, NULL, 0);
	module_reload("records=16");
	measure("log:full", log_file);
}

int main(void)
{
	results = sure(open("/dev/ttyS1", O_WRONLY | O_NOCTTY | O_CLOEXEC));
	verdict_to(results);
	memset(bytes, 'b', sizeof(bytes) - 1);
	bytes[sizeof(bytes) - 1] = '\n';
	nowhere_at_all = sure(open("/dev/null", O_WRONLY));
	plain = plain_open("/tmp/plain");
	log_file = log_open("/tmp/bench.log");
	module_reload("");
	for (round_number = 0; round_number < ROUNDS; round_number++)
		one_round();
	dprintf(results, "RESULT bench ok %d rounds of %d writes\n", ROUNDS, WRITES);
	return 0;
}
