// SPDX-License-Identifier: GPL-2.0
/* The device: who may open it, what a read gives, when it waits, what is kept while nobody reads. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "facts.h"
#include "module.h"
#include "place.h"
#include "tags.h"

#define EACH sizeof(struct winnower_tag)

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

static void open_as(void *errors)
{
	int *failed = errors;

	failed[0] = open(DEVICE, O_RDONLY) < 0 ? errno : 0;
	sure(setuid(1000));
	failed[1] = open(DEVICE, O_RDONLY) < 0 ? errno : 0;
}

CHECK(device_open, STEADY)
{
	int *failed = mmap_shared(2 * sizeof(int));
	struct stat st;

	sure(stat(DEVICE, &st));
	must(S_ISCHR(st.st_mode) && (st.st_mode & 0777) == 0600, "its mode is %o", st.st_mode);
	int one = sure(open(DEVICE, O_RDONLY | O_NONBLOCK | O_CLOEXEC));
	must(open(DEVICE, O_RDONLY) < 0 && errno == EBUSY, "second open in one process: %m");
	done(open_as, failed);
	must(failed[0] == EBUSY, "second open: %s", strerror(failed[0]));
	must(failed[1] == EACCES, "open by a user: %s", strerror(failed[1]));
	must(write(one, "x", 1) < 0 && errno == EBADF, "write: %m");
	must(lseek(one, 0, SEEK_SET) < 0, "it can be sought");
	must(pread(one, failed, 8, 0) < 0 && errno == ESPIPE, "pread: %m");
	must(ioctl(one, 0x5401, failed) < 0 && errno == ENOTTY, "ioctl: %m");
	close(one);
	one = sure(open(DEVICE, O_RDWR | O_NONBLOCK));
	must(write(one, "x", 1) < 0 && (errno == EINVAL || errno == EBADF), "write when open for it: %m");
	close(one);
}

CHECK(device_read, STEADY)
{
	char bytes[EACH * 8 + 64];
	struct winnower_tag *tag = (void *)bytes;

	fd = log_open("/tmp/device.log");
	int in = sure(open(DEVICE, O_RDONLY | O_NONBLOCK));
	must(read(in, bytes, sizeof(bytes)) < 0 && errno == EAGAIN, "read of nothing: %m");
	lines(12);
	for (size_t size = 0; size < EACH; size += EACH / 4)
		must(read(in, bytes, size) < 0 && errno == EINVAL, "read of %zu bytes: %m", size);
	must(read(in, bytes, EACH) == EACH, "read of one");
	must(tag->offset == 0, "the first: %llu", (unsigned long long)tag->offset);
	must(read(in, bytes, EACH + 100) == EACH, "read of one and a half");
	must(read(in, bytes, EACH * 3) == EACH * 3, "read of three");
	must(read(in, nowhere, EACH) < 0 && errno == EFAULT, "read to nowhere: %m");
	while (read(in, bytes, sizeof(bytes)) > 0)
		;
	must(errno == EAGAIN, "at the end: %m");
	must(statistic("read") == 12 && statistic("waiting") == 0 && statistic("tagged") == 12, "read %llu, waiting %llu",
	     statistic("read"), statistic("waiting"));
}

CHECK(device_poll, STEADY)
{
	struct pollfd ready;
	struct epoll_event event = { .events = EPOLLIN };
	int one = 1, epoll = sure(epoll_create1(0));
	char bytes[EACH * 4];

	fd = log_open("/tmp/poll.log");
	ready = (struct pollfd){ .fd = sure(open(DEVICE, O_RDONLY | O_NONBLOCK)), .events = POLLIN | POLLRDNORM | POLLOUT };
	sure(epoll_ctl(epoll, EPOLL_CTL_ADD, ready.fd, &event));
	must(poll(&ready, 1, 0) == 0, "ready with nothing: %x", ready.revents);
	for (int i = 0; i < 50; i++) {
		pid_t child = start(say, &one); /* while we wait, or before, or after: it must be told each time */
		must(i % 2 ? poll(&ready, 1, 10000) == 1 : epoll_wait(epoll, &event, 1, 10000) == 1, "not woken, round %d", i);
		must(poll(&ready, 1, 0) == 1 && ready.revents == (POLLIN | POLLRDNORM), "poll says %x", ready.revents);
		must(read(ready.fd, bytes, sizeof(bytes)) == EACH, "round %d: read: %m", i);
		must(poll(&ready, 1, 0) == 0, "still ready: %x", ready.revents);
		ended(child);
	}
}

static void on_signal(int number)
{
	(void)number;
}

static void blocked(void *failed)
{
	struct sigaction action = { .sa_handler = on_signal };
	char bytes[EACH];

	sigaction(SIGUSR1, &action, NULL);
	action.sa_flags = SA_RESTART;
	sigaction(SIGUSR2, &action, NULL);
	int in = sure(open(DEVICE, O_RDONLY));
	((int *)failed)[0] = 1;
	((int *)failed)[1] = read(in, bytes, sizeof(bytes)) < 0 ? errno : -1;
	((int *)failed)[2] = 1;
	((int *)failed)[3] = read(in, bytes, sizeof(bytes)) == EACH ? -1 : errno;
	((int *)failed)[4] = 1;
	ssize_t got = read(in, bytes, sizeof(bytes));
	fail("the last read came back: %zd", got);
}

static void wait_for(volatile int *value)
{
	for (int i = 0; i < 5000 && !*value; i++)
		usleep(1000);
	must(*value, "the reader did not get so far");
	usleep(50000); /* it is asleep in its read now */
}

CHECK(device_signals, STEADY)
{
	int *failed = mmap_shared(5 * sizeof(int)), status;

	fd = log_open("/tmp/signals.log");
	pid_t child = start(blocked, failed);
	wait_for(failed);
	kill(child, SIGUSR1);
	wait_for(failed + 2);
	must(failed[1] == EINTR, "interrupted: %d", failed[1]);
	kill(child, SIGUSR2);
	usleep(50000);
	must(!failed[3], "a read that is to go on after a signal ended: %d", failed[3]);
	lines(1);
	wait_for(failed + 4);
	must(failed[3] == -1, "woken by a write: %d", failed[3]);
	must(open(DEVICE, O_RDONLY) < 0 && errno == EBUSY, "open while it waits: %m");
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	close(sure(open(DEVICE, O_RDONLY)));
}

/* Nothing is lost, short of the buffer, by a reader that goes and comes back. */
CHECK(reopened, STEADY)
{
	struct tags tags;
	size_t count = 0;

	fd = log_open("/tmp/reopened.log");
	tags_open(&tags);
	for (int round = 0; round < 20; round++) {
		lines(5);
		tags_close(&tags);
		lines(50);
		tags.fd = sure(open(DEVICE, O_RDONLY | O_NONBLOCK));
		lines(5);
		count += tags_read(&tags);
	}
	must(count == 1200 && !tags.gaps, "%zu of 1200, %llu gaps", count, tags.gaps);
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < i && i < 100; j++)
			must(tags.tag[i].offset != tags.tag[j].offset, "told twice");
	note("%zu of 1200 over 20 readers", count);
}

static void own(void *count)
{
	struct tags tags;

	tags_open(&tags);
	say(count);
	tags_none(&tags, "the reader's own writes");
	tags_close(&tags);
	say(count);
	tags_open(&tags);
	tags_read(&tags);
	must(tags.count == (size_t)*(int *)count, "%zu tags of writes before it was opened again", tags.count);
}

CHECK(own_writes, STEADY)
{
	int count = 7;

	fd = log_open("/tmp/own.log");
	done(own, &count);
}
