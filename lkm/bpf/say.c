// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What the helper says on stderr: one JSON object a line, each by one write(2).
 *
 * Rules of this file
 *     - Outside text (arguments, the kernel's log) is escaped to printable ASCII and cut at MAX_TEXT.
 *     - A stderr that nobody reads is not worth an end: failures to write are ignored.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "say.h"
#include "../winnower_tag.h"

#define MAX_TEXT 600

static void put(const char *line, int length)
{
	ssize_t written = write(STDERR_FILENO, line, length);

	(void)written;
}

/* A JSON string without its quotes; `out` holds six bytes for each of `text`'s, at most MAX_TEXT of them. */
static void escape(char *out, const char *text)
{
	size_t length = strnlen(text, MAX_TEXT);

	for (size_t i = 0; i < length; i++) {
		unsigned char c = text[i];

		if (c < ' ' || c > '~' || c == '"' || c == '\\')
			out += sprintf(out, "\\u%04x", c);
		else
			*out++ = c;
	}
	*out = '\0';
}

void say_ready(const char *mode, __u32 load)
{
	char line[200];

	put(line,
	    snprintf(line, sizeof(line), "{\"ready\": true, \"mode\": \"%s\", \"load\": %u, \"version\": %d}\n",
		     mode, load, WINNOWER_TAG_VERSION));
}

void say_refused(const char *why, const char *hint)
{
	char line[16 * MAX_TEXT], first[6 * MAX_TEXT + 1], second[6 * MAX_TEXT + 1];

	escape(first, why);
	escape(second, hint);
	put(line,
	    snprintf(line, sizeof(line), "{\"ready\": false, \"why\": \"%s\", \"hint\": \"%s\"}\n", first, second));
}

void say_totals(const struct totals *t)
{
	char line[300];

	put(line,
	    snprintf(line, sizeof(line),
		     "{\"tagged\": %llu, \"dropped\": %llu, \"read\": %llu, \"missed\": %llu, \"unwalked\": %llu}\n",
		     t->tagged, t->dropped, t->read, t->missed, t->unwalked));
}
