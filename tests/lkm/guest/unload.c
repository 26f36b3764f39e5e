// SPDX-License-Identifier: GPL-2.0
/* The module goes while it is used, twenty times; not while somebody has its device; and when a write is still under way. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "facts.h"
#include "module.h"
#include "place.h"
#include "tags.h"

#define ROUNDS 20
#define WRITERS 2

static volatile int *stop;
static unsigned long long *written;

static void writing(void *number)
{
	int fd = log_open(*(int *)number ? "/tmp/unload.1" : "/tmp/unload.0");

	while (!*stop) {
		must(write(fd, "0123456789", 10) == 10, "write: %m");
		if (++written[*(int *)number] % 200 == 0)
			usleep(1); /* else loading waits long for its turn where both CPUs share a thread */
	}
}

static void rounds(int count)
{
	unsigned long long loads[ROUNDS], tags_in_all = 0;
	int numbers[WRITERS];
	pid_t children[WRITERS];
	struct tags tags;

	stop = mmap_shared(sizeof(int));
	written = mmap_shared(WRITERS * sizeof(*written));
	for (int i = 0; i < WRITERS; i++) {
		numbers[i] = i;
		children[i] = start(writing, &numbers[i]);
	}
	for (int round = 0; round < count; round++) {
		module_reload(round % 2 ? "records=64" : "");
		loads[round] = statistic("load");
		tags_open(&tags);
		usleep(10000);
		int failed = module_unload();
		must(failed == -EAGAIN || failed == -EBUSY, "unloaded with its device open: %d", failed);
		tags_in_all += tags_read(&tags);
		for (size_t i = 0; i < tags.count; i++)
			must(tags.tag[i].load == loads[round], "a tag of another load");
		free(tags.tag);
		tags_close(&tags);
		for (int before = 0; before < round; before++)
			must(loads[before] != loads[round], "load %llu twice", loads[round]);
	}
	*stop = 1;
	for (int i = 0; i < WRITERS; i++) {
		ended(children[i]);
		must(written[i], "writer %d wrote nothing", i);
	}
	note("%d times under load, %llu tags", count, tags_in_all);
}

CHECK(unload, PATCHING)
{
	rounds(ROUNDS);
}

CHECK(unload_briefly, BRIEF)
{
	rounds(4);
}

static void frozen_write(void *fd)
{
	*stop = 1;
	must(write(*(int *)fd, "frozen\n", 7) == 7, "write: %m");
	*stop = 2;
}

/* A write that waits in a frozen file system returns after the module has gone, or has come again. */
static void in_flight(int fd, int folder, bool again)
{
	*stop = 0;
	sure(ioctl(folder, FIFREEZE, 0));
	pid_t child = start(frozen_write, &fd);
	while (!*stop)
		usleep(1000);
	usleep(100000);
	must(*stop == 1, "the write did not wait");
	int failed = module_unload();
	must(!failed, "unload with a write under way: %s", strerror(-failed));
	if (again)
		module_reload("");
	sure(ioctl(folder, FITHAW, 0));
	ended(child);
	must(*stop == 2, "the write did not come back");
	if (!again)
		module_reload("");
}

CHECK(unload_in_flight, PATCHING)
{
	struct tags tags;

	stop = mmap_shared(sizeof(int));
	disk_mount("/tmp/frozen");
	int folder = sure(open("/tmp/frozen", O_RDONLY | O_DIRECTORY));
	int fd = log_open("/tmp/frozen/log");
	in_flight(fd, folder, false);
	in_flight(fd, folder, true);
	tags_open(&tags);
	pid_t child = start(frozen_write, &fd);
	ended(child);
	must(tags_only(&tags, "afterwards")->length == 7, "length");
	tags_close(&tags);
	close(fd);
	close(folder);
	umount2("/tmp/frozen", MNT_DETACH);
}
