// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Calls as fast as they go, or so many a second: prints the nanoseconds that one took (median of thousands).
 *
 *     tags_bpf_load FILE append|plain|other COUNT RATE      RATE 0: as fast as they go
 *
 * Rules of this file
 *     - A line is 120 bytes. The file is cut every CUT lines, outside the measured calls, so that it costs no memory.
 *     - "other" is a system call that does nothing (getppid).
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PART 50 /* calls measured together: few, so that most are not interrupted */
#define CUT 1000 /* lines in the file at most */
#define MOST 100000 /* measurements */

static long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void wait_until(long long when)
{
	struct timespec t = { .tv_sec = when / 1000000000, .tv_nsec = when % 1000000000 };

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

int main(int count, char **arguments)
{
	static double took[MOST];
	char line[120];
	long calls, rate, done = 0;
	int measured = 0, file, other, append;
	long long begun, from;

	if (count != 5)
		return 2;
	append = !strcmp(arguments[2], "append");
	other = !strcmp(arguments[2], "other");
	calls = atol(arguments[3]);
	rate = atol(arguments[4]);
	file = open(arguments[1], O_WRONLY | O_CREAT | (append ? O_APPEND : 0), 0600);
	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\n';
	begun = now();
	while (done < calls && measured < MOST) {
		from = now();
		for (int i = 0; i < PART; i++)
			if (other ? syscall(SYS_getppid) < 0 : write(file, line, sizeof(line)) < 0)
				return 1;
		took[measured++] = (double)(now() - from) / PART;
		done += PART;
		if (done % CUT == 0 && (ftruncate(file, 0) || lseek(file, 0, SEEK_SET)))
			return 1;
		if (rate)
			wait_until(begun + (long long)(done * 1e9 / rate));
	}
	qsort(took, measured, sizeof(took[0]), by_size);
	printf("%.1f %.0f\n", took[measured / 2], (now() - begun) / 1e6);
	return 0;
}
