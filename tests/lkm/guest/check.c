// SPDX-License-Identifier: GPL-2.0
/*
 * What a check says: one line, once; what was noted on the way is the detail of a pass.
 *
 * Invariant: the first of fail(), skip() and the end decides, whichever process of the check comes to it first.
 */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"

static int to = STDOUT_FILENO;
static char noted[600];

int verdict_to(int fd)
{
	return to = fd;
}

static void tell(const char *verdict, const char *format, va_list arguments)
{
	char line[900];
	int at = snprintf(line, sizeof(line), "%s ", verdict);

	vsnprintf(line + at, sizeof(line) - at, format, arguments);
	for (char *c = line; *c; c++)
		if ((unsigned char)*c < ' ')
			*c = '?';
	ssize_t done = write(to, line, strlen(line));
	(void)done;
}

void note(const char *format, ...)
{
	size_t at = strlen(noted);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(noted + at, sizeof(noted) - at, format, arguments);
	va_end(arguments);
}

void passed(void)
{
	dprintf(to, "ok %s", noted);
}

void fail(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	tell("FAIL", format, arguments);
	va_end(arguments);
	kill(0, SIGKILL);
	_exit(1);
}

void skip(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	tell("skip", format, arguments);
	va_end(arguments);
	kill(0, SIGKILL);
	_exit(0);
}
