// SPDX-License-Identifier: GPL-2.0
/*
 * The module seen from outside: loaded, unloaded, its parameters written, its statistics read.
 *
 * Rules of this file
 *     - System calls, no tools: their errors are the kernel's own.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"
#include "module.h"

#define FILE_KO "/files/winnower.ko"
#define PARAMETERS "/sys/module/winnower/parameters"
#define STATISTICS "/sys/class/misc/winnower"

static bool usual;

int module_load(const char *parameters)
{
	return module_load_file(FILE_KO, parameters);
}

int module_load_file(const char *path, const char *parameters)
{
	int fd = sure(open(path, O_RDONLY | O_CLOEXEC));
	int failed = syscall(SYS_finit_module, fd, parameters, 0) ? -errno : 0;

	close(fd);
	return failed;
}

int module_unload(void)
{
	return syscall(SYS_delete_module, "winnower", O_NONBLOCK) ? -errno : 0;
}

void module_reload(const char *parameters)
{
	int failed = module_unload();

	must(!failed || failed == -ENOENT, "unload: %s", strerror(-failed));
	failed = module_load(parameters);
	must(!failed, "load with %s: %s", parameters, strerror(-failed));
}

/* As a check finds it: just loaded, with no parameter given. */
void module_default(void)
{
	for (int i = 0; i < 100; i++) {
		int failed = module_unload();

		if (!failed || failed == -ENOENT)
			break;
		usleep(20000); /* what a killed check held open is being closed */
	}
	int failed = module_load("");
	if (failed && !usual)
		dprintf(STDERR_FILENO, "checks: load: %s\n", strerror(-failed));
	usual = true;
}

static int put(const char *path, const void *bytes, size_t size)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ssize_t done = write(fd, bytes, size);
	int failed = done < 0 ? -errno : 0;

	close(fd);
	return failed;
}

int parameter_write(const char *name, const void *bytes, size_t size)
{
	char path[256];

	snprintf(path, sizeof(path), PARAMETERS "/%s", name);
	return put(path, bytes, size);
}

int parameter_set(const char *name, const char *value)
{
	/* A write of no bytes never reaches a parameter: empty is said by an empty line. */
	return *value ? parameter_write(name, value, strlen(value)) : parameter_write(name, "\n", 1);
}

void parameter_must(const char *name, const char *value)
{
	int failed = parameter_set(name, value);

	must(!failed, "parameter %s = %s: %s", name, value, strerror(-failed));
}

void parameter_number(const char *name, unsigned long long value)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu", value);
	parameter_must(name, text);
}

static void get(const char *path, char *value, size_t size)
{
	int fd = sure(open(path, O_RDONLY | O_CLOEXEC));
	ssize_t got = sure(read(fd, value, size - 1));

	value[got] = '\0';
	value[strcspn(value, "\n")] = '\0';
	close(fd);
}

void parameter_get(const char *name, char *value, size_t size)
{
	char path[256];

	snprintf(path, sizeof(path), PARAMETERS "/%s", name);
	get(path, value, size);
}

unsigned long long statistic(const char *name)
{
	char path[256], value[64];

	snprintf(path, sizeof(path), STATISTICS "/%s", name);
	get(path, value, sizeof(value));
	return strtoull(value, NULL, 10);
}
