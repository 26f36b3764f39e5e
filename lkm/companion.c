// SPDX-License-Identifier: GPL-2.0
/*
 * The companion: the tag once more, as a record in the audit event of the write's own system
 * call.
 *
 * Rules of this file
 *     - Off unless asked for: it makes the audit system tell a write that no rule asks for, two
 *       records for each line.
 *     - Only a process that the audit system follows and only while there are rules.
 *     - A record that the audit system cannot take is in its own count of lost ones.
 *     - Not on PREEMPT_RT: the audit system's locks sleep there and a hook must not.
 *
 * Source: kernel/audit.c, kernel/auditsc.c (audit_log_start() takes time and serial of a
 * context in a system call).
 */
#include <linux/audit.h>
#include <linux/moduleparam.h>

#include "winnower.h"

static bool audit;

static int set_audit(const char *text, const struct kernel_param *param)
{
	bool on;
	int error = kstrtobool(text, &on);

	if (error)
		return error;
	if (on && (!IS_ENABLED(CONFIG_AUDITSYSCALL) || IS_ENABLED(CONFIG_PREEMPT_RT)))
		return -EOPNOTSUPP;
	WRITE_ONCE(audit, on);
	return 0;
}

static const struct kernel_param_ops audit_ops = { .set = set_audit, .get = param_get_bool };

module_param_cb(audit, &audit_ops, &audit, 0644);
MODULE_PARM_DESC(audit, "also tell a tag in the write's own audit event (default N)");

bool winnower_companion_wanted(void)
{
	return READ_ONCE(audit) && !audit_dummy_context();
}

void winnower_companion(const struct winnower_tag *tag)
{
	audit_log(audit_context(), GFP_ATOMIC, AUDIT_KERNEL_OTHER,
		  "winnower: load=%u cpu=%u seq=%llu dev=%02x:%02x ino=%llu gen=%u off=%lld len=%u crc=%08x hashed=%u tgid=%d pid=%d itgid=%d ipid=%d ns=%u cgroup=%llu nanos=%llu flags=%u",
		  tag->load, tag->cpu, tag->sequence, tag->major, tag->minor, tag->inode,
		  tag->generation, (long long)tag->offset, tag->length, tag->crc, tag->hashed,
		  (int)tag->tgid, (int)tag->pid, (int)tag->inner_tgid, (int)tag->inner_pid,
		  tag->namespace_id, tag->cgroup, tag->nanos, tag->flags);
}
