/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MODULE_H
#define MODULE_H

#include <stdbool.h>
#include <stddef.h>

#define DEVICE "/dev/winnower"

int module_load(const char *parameters);   /* 0, or -errno */
int module_load_file(const char *path, const char *parameters);
int module_unload(void);		   /* 0, or -errno */
void module_reload(const char *parameters); /* or the check fails */
void module_default(void);

int parameter_set(const char *name, const char *value); /* 0, or -errno */
int parameter_write(const char *name, const void *bytes, size_t size);
void parameter_must(const char *name, const char *value);
void parameter_number(const char *name, unsigned long long value);
void parameter_get(const char *name, char *value, size_t size);
unsigned long long statistic(const char *name);

#endif
