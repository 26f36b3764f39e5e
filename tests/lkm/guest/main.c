// SPDX-License-Identifier: GPL-2.0
/*
 * checks steady|patching|NAME… : runs checks one after another, each in a process of its own, and reports to the line of results.
 *
 * Rules of this file
 *     - Between two checks the module is as it was after loading: parameters empty, device closed, nothing waiting.
 *     - A check that takes too long is ended with all that it started, and failed.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "facts.h"
#include "module.h"
#include "tags.h"

#define SECONDS 60
#define PATCHING_SECONDS 180

extern const struct check __start_checks[], __stop_checks[];

static int results = STDOUT_FILENO, patience = 1; /* a kernel that watches itself is slow: PATIENCE=5 */

static bool chosen(const struct check *check, int count, char **names)
{
	for (int i = 0; i < count; i++)
		if (!strcmp(names[i], check->name) || !strcmp(names[i], check->kind))
			return true;
	return false;
}

static void plan(int count, char **names)
{
	dprintf(results, "PLAN");
	for (const struct check *check = __start_checks; check < __stop_checks; check++)
		if (chosen(check, count, names))
			dprintf(results, " %s", check->name);
	dprintf(results, "\n");
}

/* What the check wrote before it ended, or why it wrote nothing. */
static void verdict(pid_t child, int from, int seconds, char *words, size_t size)
{
	struct pollfd ready = { .fd = from, .events = POLLIN };
	ssize_t got = 0;
	int status;

	if (poll(&ready, 1, seconds * 1000) > 0)
		got = read(from, words, size - 1);
	words[got > 0 ? got : 0] = '\0';
	bool late = !ready.revents;
	kill(-child, SIGKILL);
	waitpid(child, &status, 0);
	while (waitpid(-1, NULL, 0) > 0)
		; /* those that it left behind are ours */
	if (late)
		snprintf(words, size, "FAIL took more than %d s", seconds);
	else if (!words[0])
		snprintf(words, size, "FAIL ended by signal %d, status %d", WTERMSIG(status), WEXITSTATUS(status));
}

static void run(const struct check *check)
{
	char words[1024];
	uint64_t begin = nanos_now();
	int ends[2];

	sure(pipe2(ends, O_CLOEXEC));
	module_default();
	pid_t child = sure(fork());
	if (!child) {
		setpgid(0, 0);
		verdict_to(ends[1]);
		check->run();
		passed();
		_exit(0);
	}
	setpgid(child, child);
	close(ends[1]);
	verdict(child, ends[0], patience * (strcmp(check->kind, PATCHING) ? SECONDS : PATCHING_SECONDS), words, sizeof(words));
	close(ends[0]);
	dprintf(results, "RESULT %s %s [%.1f s]\n", check->name, words, (nanos_now() - begin) / 1e9);
}

int main(int count, char **words)
{
	int line = open("/dev/ttyS1", O_WRONLY | O_NOCTTY | O_CLOEXEC);

	if (line >= 0)
		results = line;
	verdict_to(results);
	if (getenv("PATIENCE"))
		patience = atoi(getenv("PATIENCE"));
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	plan(count - 1, words + 1);
	for (const struct check *check = __start_checks; check < __stop_checks; check++)
		if (chosen(check, count - 1, words + 1))
			run(check);
	return 0;
}
