// SPDX-License-Identifier: GPL-2.0
/*
 * winnower: tells of each write to a log file who wrote which bytes of which file, and when,
 * without touching the file.
 *
 * Rules of this file
 *     - Up: rings, hooks, device. The device comes last: once it can be opened, loading must
 *       not fail any more.
 *     - Down: device, hooks, rings. What is freed is freed when no hook runs any more.
 *
 * Source: issue "lkm"; README.md.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/random.h>

#include "winnower.h"

#define FEWEST 16u
#define MOST 16384u

static unsigned int records = 4096;
module_param(records, uint, 0444);
MODULE_PARM_DESC(records, "tags kept for each CPU, a power of two, 128 bytes each (default 4096)");

static unsigned int instances = 1024;
module_param(instances, uint, 0444);
MODULE_PARM_DESC(instances, "tagged writes that may be under way at once in each hook (default 1024)");

static int __init winnower_init(void)
{
	int error;

	if (instances < FEWEST || instances > MOST) {
		pr_err("instances=%u: give a number from %u to %u\n", instances, FEWEST, MOST);
		return -EINVAL;
	}
	winnower_load = get_random_u32();
	error = winnower_rings_init(records);
	if (error)
		return error;
	error = winnower_filter_init();
	if (error)
		goto no_filter;
	error = winnower_hook(instances);
	if (error)
		goto no_hook;
	error = winnower_device_init();
	if (!error)
		return 0;
	winnower_unhook();
no_hook:
	winnower_filter_exit();
no_filter:
	winnower_rings_exit();
	return error;
}

static void __exit winnower_exit(void)
{
	winnower_device_exit();
	winnower_unhook();
	winnower_filter_exit();
	winnower_rings_exit();
}

module_init(winnower_init);
module_exit(winnower_exit);
MODULE_LICENSE("GPL");
MODULE_AUTHOR("The Winnower authors");
MODULE_DESCRIPTION("Tags writes to log files with who wrote them");
MODULE_VERSION("1");
