// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * winnower-tags: loads the program that tags log writes, and passes its tags on to stdout.
 *
 * Rules of this file
 *     - One loop, one thread. It sleeps until something happens; after the first tag it waits PAUSE more, so that
 *       many are read at once and a writer wakes it at most once in that time.
 *     - Ends by SIGTERM or SIGINT, or when stdin or stdout is closed; what stdout takes by then is written.
 *     - Nothing is read of the ring while stdout does not take what was read before.
 *
 * Exit status: 0 ended as asked; 1 could not begin; 2 the command line.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "exclusion.h"
#include "outlet.h"
#include "program.h"
#include "say.h"

#define PAUSE 5000000l /* ns */
#define NICE -10 /* it runs little, and what waits for it is dropped */

enum { RING, STDIN, STDOUT, SIGNAL, EVERY_SECOND, CLOCK, FIRST_EXCLUDED };

struct helper {
	struct program program;
	struct exclusion exclusion;
	struct outlet outlet;
	struct ring_buffer *ring;
	struct totals said;
	struct pollfd polls[FIRST_EXCLUDED + MAX_EXCLUDED];
};

static struct helper helper;

static int take(void *context, void *data, size_t size)
{
	(void)context;
	if (size != sizeof(struct winnower_tag))
		return 0;
	return outlet_put(&helper.outlet, data) ? 0 : -ENOSPC;
}

/* Pass on what the ring holds; false if nobody can read any more. */
static bool pass_on(void)
{
	int got;

	do {
		if (!outlet_flush(&helper.outlet))
			return false;
		if (outlet_waits(&helper.outlet))
			return true;
		got = ring_buffer__consume(helper.ring);
	} while (got == -ENOSPC);
	return outlet_flush(&helper.outlet);
}

static void say_changed(void)
{
	struct totals now;

	program_count(&helper.program, &now);
	now.read = helper.outlet.bytes / sizeof(struct winnower_tag);
	if (!memcmp(&now, &helper.said, sizeof(now)))
		return;
	say_totals(&now);
	helper.said = now;
}

static void set_clock(void)
{
	struct offsets offsets = clock_measure();

	program_set_clock(&helper.program, &offsets);
}

/* Whether stdin is at its end; what is sent there is not looked at. */
static bool is_ended(short events)
{
	char unread[512];
	ssize_t got;

	if (!events)
		return false;
	got = read(STDIN_FILENO, unread, sizeof(unread));
	return !got || (got < 0 && errno != EAGAIN && errno != EINTR);
}

static void each_second(void)
{
	__u64 times;

	if (read(helper.polls[EVERY_SECOND].fd, &times, sizeof(times)) < 0)
		return;
	set_clock();
	say_changed();
}

/* What the last poll said; false at the end. */
static bool handle(void)
{
	struct pollfd *polls = helper.polls;

	if (polls[SIGNAL].revents || is_ended(polls[STDIN].revents) || (polls[STDOUT].revents & (POLLERR | POLLNVAL)))
		return false;
	if (polls[CLOCK].revents) {
		clock_seen(polls[CLOCK].fd);
		set_clock();
	}
	if (polls[EVERY_SECOND].revents)
		each_second();
	if (polls[RING].revents)
		nanosleep(&(struct timespec){ .tv_nsec = PAUSE }, NULL);
	if ((polls[RING].revents || polls[STDOUT].revents) && !pass_on())
		return false;
	exclusion_ended(&helper.exclusion, polls + FIRST_EXCLUDED);
	return true;
}

static void run(void)
{
	struct pollfd *polls = helper.polls;
	int ring = polls[RING].fd, excluded;

	do {
		polls[RING].fd = outlet_waits(&helper.outlet) ? -1 : ring;
		polls[STDOUT].events = outlet_waits(&helper.outlet) ? POLLOUT : 0;
		excluded = exclusion_polls(&helper.exclusion, polls + FIRST_EXCLUDED);
	} while ((poll(polls, FIRST_EXCLUDED + excluded, -1) >= 0 || errno == EINTR) && handle());
	pass_on();
	say_changed();
}

static void open_polls(void)
{
	struct itimerspec second = { .it_interval = { .tv_sec = 1 }, .it_value = { .tv_sec = 1 } };
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	sigset_t ends;

	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	timerfd_settime(timer, 0, &second, NULL);
	helper.polls[RING] = (struct pollfd){ .fd = ring_buffer__epoll_fd(helper.ring), .events = POLLIN };
	helper.polls[STDIN] = (struct pollfd){ .fd = STDIN_FILENO, .events = POLLIN };
	helper.polls[STDOUT] = (struct pollfd){ .fd = STDOUT_FILENO };
	helper.polls[SIGNAL] = (struct pollfd){ .fd = signalfd(-1, &ends, SFD_CLOEXEC), .events = POLLIN };
	helper.polls[EVERY_SECOND] = (struct pollfd){ .fd = timer, .events = POLLIN };
	helper.polls[CLOCK] = (struct pollfd){ .fd = clock_watch(), .events = POLLIN };
}

/* Descriptors 0 to 2 are never anything that is opened later. */
static void keep_first_three(void)
{
	int opened;

	do {
		opened = open("/dev/null", O_RDWR);
	} while (opened >= 0 && opened <= STDERR_FILENO);
	if (opened > STDERR_FILENO)
		close(opened);
}

int main(int count, char **arguments)
{
	struct options options;
	const char *hint = "see winnower-tags --help";
	char why[1000];

	keep_first_three();
	if (options_want_help(count, arguments))
		return fputs(options_help, stdout) < 0;
	if (!options_read(&options, count, arguments, why, sizeof(why))) {
		say_refused(why, hint);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	setpriority(PRIO_PROCESS, 0, NICE); /* where it may */
	if (!program_begin(&helper.program, &options, why, sizeof(why), &hint)) {
		say_refused(why, hint);
		return 1;
	}
	helper.ring = ring_buffer__new(helper.program.tags, take, NULL, NULL);
	if (!helper.ring) {
		say_refused("the ring cannot be mapped", "give it a smaller --buffer");
		return 1;
	}
	exclusion_begin(&helper.exclusion, helper.program.excluded, &options);
	outlet_prepare();
	open_polls();
	say_ready(helper.program.mode, helper.program.settings.load);
	run();
	program_end(&helper.program);
	return 0;
}
