// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Real time as the program makes it: from a clock that BPF may read and an offset that the helper measures.
 *
 * Rules of this file
 *     - From TAI (Linux 6.1 on) the offset is whole seconds and moves with leap seconds only: a clock that is set is
 *       followed at once. From the monotonic clock it moves with each setting of the clock; between the setting and the
 *       helper's waking (a timer that the kernel cancels then) tags have the old time.
 *     - Error: TAI none; monotonic that of reading two clocks, the least of ten tries (below 1 us).
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"

#define SECOND 1000000000ll

static __s64 now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * SECOND + t.tv_nsec;
}

/* Real time less another clock, by the reading that took the least time. */
static __s64 less(clockid_t other)
{
	__s64 best = INT64_MAX, offset = 0;

	for (int i = 0; i < 10; i++) {
		__s64 before = now(other), real = now(CLOCK_REALTIME), after = now(other);

		if (after - before < best) {
			best = after - before;
			offset = real - before - (after - before) / 2;
		}
	}
	return offset;
}

struct offsets clock_measure(void)
{
	__s64 tai = less(CLOCK_TAI), half = tai < 0 ? -SECOND / 2 : SECOND / 2;

	return (struct offsets){ .from_tai = (tai + half) / SECOND * SECOND, .from_monotonic = less(CLOCK_MONOTONIC) };
}

/* A descriptor that is readable when the clock is set; -1 if there is none to be had. */
int clock_watch(void)
{
	struct itimerspec far = { .it_value = { .tv_sec = INT32_MAX } };
	int watch = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);

	if (watch >= 0 && timerfd_settime(watch, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &far, NULL)) {
		close(watch);
		watch = -1;
	}
	return watch;
}

/* After it was readable: ready for the next setting. */
void clock_seen(int watch)
{
	struct itimerspec far = { .it_value = { .tv_sec = INT32_MAX } };
	uint64_t times;
	ssize_t got = read(watch, &times, sizeof(times));

	(void)got;
	timerfd_settime(watch, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &far, NULL);
}
