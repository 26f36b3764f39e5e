// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/winnower: where the tags are read, and what is counted.
 *
 * Rules of this file
 *     - One reader at a time: a second one would take tags that the first then misses. It may
 *       have threads.
 *     - A read gives whole records, as many as wait and fit; it waits only if there is none.
 *     - The reader's own process is not tagged while it has the device open.
 *     - An open device holds the module.
 *
 * Source: Documentation/driver-api/misc_devices.rst; issue "lkm".
 */
#include <linux/device.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/sysfs.h>

#include "winnower.h"

static unsigned long opened; /* bit 0 */
static DEFINE_MUTEX(reading);

static int device_open(struct inode *inode, struct file *file)
{
	if (test_and_set_bit(0, &opened))
		return -EBUSY;
	winnower_opener(task_tgid(current));
	return nonseekable_open(inode, file);
}

static int device_release(struct inode *inode, struct file *file)
{
	winnower_opener(NULL);
	clear_bit_unlock(0, &opened);
	return 0;
}

static ssize_t device_read(struct file *file, char __user *to, size_t size, loff_t *pos)
{
	ssize_t done;

	if (size < sizeof(struct winnower_tag))
		return -EINVAL;
	for (;;) {
		if (mutex_lock_interruptible(&reading))
			return -ERESTARTSYS;
		done = winnower_rings_read(to, size);
		mutex_unlock(&reading);
		if (done)
			return done;
		if (file->f_flags & O_NONBLOCK)
			return -EAGAIN;
		if (wait_event_interruptible(winnower_readers, winnower_rings_watch()))
			return -ERESTARTSYS;
	}
}

static __poll_t device_poll(struct file *file, poll_table *table)
{
	poll_wait(file, &winnower_readers, table);
	return winnower_rings_watch() ? EPOLLIN | EPOLLRDNORM : 0;
}

static const struct file_operations operations = {
	.owner = THIS_MODULE,
	.open = device_open,
	.release = device_release,
	.read = device_read,
	.poll = device_poll,
};

#define COUNT_SHOW(name)							\
static ssize_t name##_show(struct device *device,				\
			   struct device_attribute *attribute, char *text)	\
{										\
	struct winnower_counts counts;						\
										\
	winnower_rings_count(&counts);						\
	return sysfs_emit(text, "%llu\n", counts.name);				\
}

COUNT_SHOW(tagged);
static DEVICE_ATTR_RO(tagged);

COUNT_SHOW(dropped);
static DEVICE_ATTR_RO(dropped);

COUNT_SHOW(read);
static DEVICE_ATTR_RO(read);

COUNT_SHOW(waiting);
static DEVICE_ATTR_RO(waiting);

static ssize_t missed_show(struct device *device, struct device_attribute *attribute, char *text)
{
	return sysfs_emit(text, "%lu\n", winnower_missed());
}
static DEVICE_ATTR_RO(missed);

static ssize_t load_show(struct device *device, struct device_attribute *attribute, char *text)
{
	return sysfs_emit(text, "%u\n", winnower_load);
}
static DEVICE_ATTR_RO(load);

static ssize_t hooks_show(struct device *device, struct device_attribute *attribute, char *text)
{
	return winnower_hooks(text);
}
static DEVICE_ATTR_RO(hooks);

static struct attribute *winnower_attrs[] = {
	&dev_attr_tagged.attr,
	&dev_attr_dropped.attr,
	&dev_attr_read.attr,
	&dev_attr_waiting.attr,
	&dev_attr_missed.attr,
	&dev_attr_load.attr,
	&dev_attr_hooks.attr,
	NULL,
};
ATTRIBUTE_GROUPS(winnower);

static struct miscdevice misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = KBUILD_MODNAME,
	.mode = 0600,
	.fops = &operations,
	.groups = winnower_groups,
};

int winnower_device_init(void)
{
	return misc_register(&misc);
}

void winnower_device_exit(void)
{
	misc_deregister(&misc);
}
