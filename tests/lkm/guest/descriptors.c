// SPDX-License-Identifier: GPL-2.0
/* However a process came by a descriptor, the tag names who wrote through it. */
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "facts.h"
#include "module.h"
#include "place.h"
#include "tags.h"

static struct facts *facts;
static int passing[2];

static void say(int fd)
{
	facts_here(facts);
	must(write(fd, "line\n", 5) == 5, "write: %m");
}

static void inherited(void *fd)
{
	say(*(int *)fd);
}

static void dupped(void *fd)
{
	say(sure(dup(*(int *)fd)));
}

static void dupped_to(void *fd)
{
	say(sure(dup2(*(int *)fd, 77)));
}

static void reopened(void *fd)
{
	(void)fd;
	say(sure(open("/tmp/descriptors.log", O_WRONLY | O_APPEND)));
}

static void executed(void *fd)
{
	dup2(*(int *)fd, STDOUT_FILENO);
	facts_here(facts);
	strcpy(facts->comm, "busybox");
	execl("/bin/busybox", "echo", "line", NULL);
	fail("exec: %m");
}

static void *in_thread(void *fd)
{
	say(*(int *)fd);
	return NULL;
}

static void threaded(void *fd)
{
	pthread_t thread;

	pthread_create(&thread, NULL, in_thread, fd);
	pthread_join(thread, NULL);
}

static void received(void *unused)
{
	char room[CMSG_SPACE(sizeof(int))], byte;
	struct iovec part = { &byte, 1 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room) };

	(void)unused;
	sure(recvmsg(passing[1], &message, 0));
	say(*(int *)CMSG_DATA(CMSG_FIRSTHDR(&message)));
}

static void hand_over(int fd)
{
	char room[CMSG_SPACE(sizeof(int))] = { 0 }, byte = 0;
	struct iovec part = { &byte, 1 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room) };
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);

	*head = (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int)) };
	memcpy(CMSG_DATA(head), &fd, sizeof(fd));
	sure(sendmsg(passing[0], &message, 0));
}

CHECK(descriptors, STEADY)
{
	static const struct {
		const char *name;
		void (*run)(void *);
	} ways[] = {
		{ "inherited", inherited }, { "dup", dupped },	   { "dup2", dupped_to },   { "reopened", reopened },
		{ "over exec", executed },  { "thread", threaded }, { "passed", received },
	};
	int count = sizeof(ways) / sizeof(ways[0]), fd = log_open("/tmp/descriptors.log");
	struct tags tags;

	facts = mmap_shared(sizeof(*facts));
	sure(socketpair(AF_UNIX, SOCK_STREAM, 0, passing));
	tags_open(&tags);
	for (int i = 0; i < count; i++) {
		if (ways[i].run == received)
			hand_over(fd);
		done(ways[i].run, &fd);
		tag_must(tags_only(&tags, ways[i].name), facts, fd, 5 * i, "line\n", 5, ways[i].name);
	}
	note("%d ways", count);
}

#define SHARED 500

static void many(void *fd)
{
	for (int i = 0; i < SHARED; i++)
		must(write(*(int *)fd, "0123456", 3 + i % 5) > 0, "write: %m");
}

/* One open file, not for appending, moved on by two processes and a thread at once: every tag has a place of its own. */
CHECK(shared_position, STEADY)
{
	int fd = plain_open("/tmp/paths/shared");
	struct tags tags;
	uint64_t at = 0;
	bool found = true;

	tags_open(&tags);
	parameter_must("paths", "/tmp/paths");
	pid_t one = start(many, &fd), other = start(many, &fd);
	ended(one);
	ended(other);
	tags_read(&tags);
	must(tags.count == 2 * SHARED && !tags.gaps, "%zu tags, %llu gaps", tags.count, tags.gaps);
	for (size_t i = 0; i < tags.count && found; i++) {
		found = false;
		for (size_t j = 0; j < tags.count && !found; j++) {
			found = tags.tag[j].offset == at;
			at += found ? tags.tag[j].length : 0;
		}
	}
	must(at == (uint64_t)lseek(fd, 0, SEEK_END), "the tags tile the file only up to %llu", (unsigned long long)at);
	note("%zu tags tile %llu bytes", tags.count, (unsigned long long)at);
}
