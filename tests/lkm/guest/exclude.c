// SPDX-License-Identifier: GPL-2.0
/* Processes that are not told: by tgid, with all their threads, without their children, and nobody else when a pid is given anew. */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "module.h"
#include "place.h"
#include "tags.h"

static int log_file, orders[2], answers[2];

static void *say(void *unused)
{
	must(write(log_file, "line\n", 5) == 5, "write: %m");
	return unused;
}

static void in_thread(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, say, NULL);
	pthread_join(thread, NULL);
}

static void by_child(void *unused)
{
	say(unused);
}

/* Does what it is told, letter by letter: w, t, c. */
static void obey(void *unused)
{
	char order;

	while (read(orders[0], &order, 1) == 1) {
		if (order == 'w')
			say(unused);
		if (order == 't')
			in_thread();
		if (order == 'c')
			done(by_child, NULL);
		sure(write(answers[1], &order, 1));
	}
}

static void order(struct tags *tags, char what, bool told, const char *words)
{
	sure(write(orders[1], &what, 1));
	sure(read(answers[0], &what, 1));
	if (told)
		tags_only(tags, words);
	else
		tags_none(tags, words);
}

/* A process with just that number. */
static pid_t with_pid(pid_t pid)
{
	struct clone_args arguments = { .exit_signal = SIGCHLD, .set_tid = (uintptr_t)&pid, .set_tid_size = 1 };
	pid_t child = syscall(SYS_clone3, &arguments, sizeof(arguments));

	if (child < 0 && (errno == ENOSYS || errno == EPERM))
		skip("no clone3 with a chosen pid: %m");
	return sure(child);
}

CHECK(exclude, STEADY)
{
	struct tags tags;
	char value[64];

	log_file = log_open("/tmp/exclude.log");
	sure(pipe(orders));
	sure(pipe(answers));
	tags_open(&tags);
	pid_t child = start(obey, NULL);
	order(&tags, 'w', true, "nobody excluded");
	parameter_number("exclude", child);
	order(&tags, 'w', false, "excluded");
	order(&tags, 't', false, "its thread");
	order(&tags, 'c', true, "its child");
	int failed = parameter_set("exclude", "999999");
	must(failed < 0, "a process that is not there can be excluded");
	order(&tags, 'w', false, "still excluded");
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	parameter_get("exclude", value, sizeof(value));
	must(!value[0], "the dead are still named: %s", value);
	pid_t other = with_pid(child);
	if (!other) {
		say(NULL);
		_exit(0);
	}
	ended(other);
	must(other == child, "pid %d, not %d", other, child);
	must(tags_only(&tags, "another with its pid")->tgid == (uint32_t)child, "tgid");
	child = start(obey, NULL);
	parameter_number("exclude", child);
	parameter_must("exclude", "");
	order(&tags, 'w', true, "excluded no longer");
	kill(child, SIGKILL);
	note("pid %d given anew: told", other);
}

static void say_in(void *name)
{
	cgroup_enter(name);
	say(NULL);
}

static void expect(struct tags *tags, const char *name, bool told)
{
	done(say_in, (void *)name);
	if (told)
		tags_only(tags, name);
	else
		tags_none(tags, name);
}

CHECK(cgroups, STEADY)
{
	uint64_t top = cgroup_make("top"), sibling = cgroup_make("sibling");
	char two[64], value[64];
	struct tags tags;

	cgroup_make("top/middle");
	uint64_t leaf = cgroup_make("top/middle/leaf");
	uint64_t root = cgroup_make("");
	log_file = log_open("/tmp/cgroups.log");
	tags_open(&tags);
	expect(&tags, "sibling", true);
	parameter_number("cgroups", top);
	expect(&tags, "top", true);
	expect(&tags, "top/middle/leaf", true);
	expect(&tags, "sibling", false);
	expect(&tags, "", false);
	parameter_number("cgroups", leaf);
	expect(&tags, "top", false);
	expect(&tags, "top/middle/leaf", true);
	snprintf(two, sizeof(two), "%llu,%llu", (unsigned long long)sibling, (unsigned long long)leaf);
	parameter_must("cgroups", two);
	expect(&tags, "sibling", true);
	expect(&tags, "top/middle/leaf", true);
	expect(&tags, "top/middle", false);
	parameter_get("cgroups", value, sizeof(value));
	must(!strcmp(value, two), "read back: %s, not %s", value, two);
	parameter_number("cgroups", root);
	expect(&tags, "sibling", true);
	sure(rmdir("/sys/fs/cgroup/top/middle/leaf"));
	parameter_number("cgroups", leaf);
	expect(&tags, "sibling", false);
	parameter_must("cgroups", "");
	expect(&tags, "sibling", true);
}
