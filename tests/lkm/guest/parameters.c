// SPDX-License-Identifier: GPL-2.0
/* Hostile parameters: refused, and nothing that was set has changed; while writers run, no fault. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "facts.h"
#include "module.h"
#include "place.h"
#include "tags.h"

struct hostile {
	const char *name, *value;
};

static const struct hostile refused[] = {
	{ "append", "maybe" },	    { "append", "2" },		  { "append", "\x01" },	      { "audit", "perhaps" },
	{ "paths", "relative" },    { "paths", "/a,relative" },	  { "paths", "/a,,/b" },      { "paths", ",/a" },
	{ "paths", "/a," },	    { "paths", "/a/../b" },	  { "paths", "/a/./b" },      { "paths", "/a\x1b[2J" },
	{ "paths", "/a\n/b" },	    { "cgroups", "abc" },	  { "cgroups", "-1" },	      { "cgroups", "0x" },
	{ "cgroups", "1,,2" },	    { "cgroups", "18446744073709551616" },		      { "cgroups", "1;2" },
	{ "cgroups", " " },	    { "cgroups", "1e9" },	  { "exclude", "-1" },	      { "exclude", "0" },
	{ "exclude", "4294967297" }, { "exclude", "2147483648" }, { "exclude", "1,x" },	      { "exclude", "1,,1" },
	{ "exclude", "999999999999999999999" },			  { "exclude", "\xff\xfe" },  { "cgroups", "\xff" },
	{ "records", "1" },	    { "instances", "1" },
};

static const char *const loads[] = {
	"records=0",	      "records=3",	   "records=-1",       "records=4294967296",   "records=1e9",
	"records=8",	      "records=536870912", "records=x",	       "instances=0",	       "instances=-1",
	"instances=99999999", "append=maybe",	   "paths=relative",   "paths=/a,,/b",	       "cgroups=abc",
	"exclude=0",	      "exclude=-5",	   "exclude=99999999", "audit=perhaps",	       "instances=4294967297",
};

static void unchanged(const char *name, const void *bytes, size_t size, const char *what)
{
	char before[4200], after[4200];

	parameter_get(name, before, sizeof(before));
	int failed = parameter_write(name, bytes, size);
	parameter_get(name, after, sizeof(after));
	must(failed < 0, "%s = %s was taken: %s", name, what, after);
	must(!strcmp(before, after), "%s = %s changed it to %s", name, what, after);
}

CHECK(parameters, STEADY)
{
	static char text[20000];
	size_t at = 0;

	parameter_must("paths", "/var/log,/srv");
	parameter_must("cgroups", "17,18");
	parameter_must("exclude", "1");
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		unchanged(refused[i].name, refused[i].value, strlen(refused[i].value), refused[i].value);
	for (int i = 0; i < 17; i++)
		at += sprintf(text + at, "%s/folder%d", i ? "," : "", i);
	unchanged("paths", text, at, "17 folders");
	for (at = 0; at < 3000;)
		at += sprintf(text + at, "%s%zu", at ? "," : "", at + 1);
	unchanged("cgroups", text, at, "hundreds of numbers");
	for (at = 0; at < 3000;)
		at += sprintf(text + at, "%s1", at ? "," : "");
	unchanged("exclude", text, at, "hundreds of pids");
	memset(text, 'a', sizeof(text));
	text[0] = '/';
	for (size_t size = 4095; size <= 4097; size++)
		unchanged("paths", text, size, "a folder of 4,095 bytes or more");
	unchanged("paths", text, sizeof(text), "a folder of 20 kB");
	unchanged("cgroups", memset(text, '9', sizeof(text)), 4000, "a number of 4000 digits");
	for (int i = 0; i < 400; i++) { /* any bytes; a text that is right by chance is one digit, or a zero byte first */
		for (at = 0; at < 40; at++)
			text[at] = random();
		text[0] |= 0x80;
		unchanged(i % 2 ? "cgroups" : "exclude", text, 1 + random() % 40, "random bytes");
	}
	note("%zu values, 400 random ones", sizeof(refused) / sizeof(refused[0]) + 16);
}

CHECK(load_parameters, STEADY)
{
	char text[6000] = "paths=/";

	sure(module_unload() ? -1 : 0);
	for (size_t i = 0; i < sizeof(loads) / sizeof(loads[0]); i++) {
		int failed = module_load(loads[i]);
		must(failed < 0, "loaded with %s", loads[i]);
	}
	memset(text + 7, 'a', 5000);
	must(module_load(text) < 0, "loaded with a folder of 5 kB");
	module_reload("records=16 instances=16 append=N audit=N paths=/var/log,/srv cgroups=1 exclude=1");
	parameter_get("paths", text, sizeof(text));
	must(!strcmp(text, "/var/log,/srv"), "paths: %s", text);
	module_reload("records=262144");
	module_reload("");
	note("%zu refused", sizeof(loads) / sizeof(loads[0]) + 1);
}

static volatile int *stop;

static void writing(void *unused)
{
	int fd = log_open("/tmp/parameters.log"), file = plain_open("/tmp/paths/parameters");

	(void)unused;
	while (!*stop) {
		must(write(fd, "line\n", 5) == 5 && pwrite(file, "line\n", 5, 0) == 5, "write: %m");
		usleep(0);
	}
}

static void setting(void *name)
{
	static const char *const values[][3] = { { "/tmp/paths", "/a,/b,/c", "" }, { "1", "1,2,3", "" }, { "1", "1,1", "" } };
	int which = !strcmp(name, "paths") ? 0 : !strcmp(name, "cgroups") ? 1 : 2;

	for (int i = 0; !*stop; i++) {
		char value[4200];

		parameter_must(name, values[which][i % 3]);
		parameter_get(name, value, sizeof(value));
	}
}

CHECK(parameters_under_load, STEADY)
{
	pid_t children[5];

	stop = mmap_shared(sizeof(int));
	children[0] = start(writing, NULL);
	children[1] = start(writing, NULL);
	children[2] = start(setting, "paths");
	children[3] = start(setting, "cgroups");
	children[4] = start(setting, "exclude");
	sleep(1);
	*stop = 1;
	for (int i = 0; i < 5; i++)
		ended(children[i]);
}
