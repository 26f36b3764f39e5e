// SPDX-License-Identifier: GPL-2.0
/*
 * The companion: in the event of each write's own system call a record with the tag's numbers, as auditd would be given it.
 *
 * Rules of this file
 *     - This process is the audit daemon: it asks the kernel for its events by netlink, with one rule that asks for the
 *       writes of one login user, and none for another.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"
#include "facts.h"
#include "module.h"
#include "place.h"
#include "tags.h"

#define LINES 200
#define LOGIN 6001
#define MOST 4000

struct event {
	char stamp[40]; /* seconds.millis:serial */
	int type;
	char text[700];
};

static struct event *events;
static size_t count;
static int line, fd;

static void request(int type, const void *data, size_t size)
{
	struct {
		struct nlmsghdr head;
		char data[2048];
	} message = { .head = { .nlmsg_len = NLMSG_LENGTH(size), .nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK } };

	memcpy(message.data, data, size);
	sure(send(line, &message, message.head.nlmsg_len, 0));
}

static void status(unsigned int mask, unsigned int enabled, unsigned int pid)
{
	struct audit_status status = { .mask = mask, .enabled = enabled, .pid = pid, .backlog_limit = 8192 };

	request(AUDIT_SET, &status, sizeof(status));
}

static void rule(int type, unsigned int login, int call)
{
	struct audit_rule_data rule = { .flags = AUDIT_FILTER_EXIT, .action = AUDIT_ALWAYS, .field_count = 1 };

	rule.fields[0] = AUDIT_LOGINUID;
	rule.values[0] = login;
	rule.fieldflags[0] = AUDIT_EQUAL;
	rule.mask[AUDIT_WORD(call)] = AUDIT_BIT(call);
	request(type, &rule, sizeof(rule));
}

static bool of_line(const struct event *event)
{
	return event->type == AUDIT_SYSCALL && strstr(event->text, "exit=13 ");
}

/* What comes until there are so many calls, and then for a while; texts begin with audit(stamp): */
static void receive(size_t calls)
{
	size_t seen = 0;
	struct pollfd ready = { .fd = line, .events = POLLIN };
	struct {
		struct nlmsghdr head;
		char text[8900];
	} message;

	while (poll(&ready, 1, seen < calls ? 10000 : 300) > 0) {
		ssize_t got = recv(line, &message, sizeof(message) - 1, MSG_DONTWAIT);
		struct event *event = &events[count];

		if (got < (ssize_t)sizeof(message.head) || message.head.nlmsg_type < AUDIT_SYSCALL)
			continue;
		((char *)&message)[got] = '\0';
		event->type = message.head.nlmsg_type;
		if (sscanf(message.text, "audit(%39[^)]): %699[^\n]", event->stamp, event->text) == 2 && count < MOST - 1) {
			seen += of_line(event);
			count++;
		}
	}
}

static void say(void *login)
{
	int own = sure(open("/proc/self/loginuid", O_WRONLY));

	dprintf(own, "%d", *(int *)login);
	close(own);
	for (int i = 0; i < LINES; i++)
		must(write(fd, "audited line\n", 13) == 13, "write: %m");
}

static void begin(struct tags *tags)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK };
	int room = 8 << 20;

	events = calloc(MOST, sizeof(*events));
	line = sure(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_AUDIT));
	sure(bind(line, (struct sockaddr *)&address, sizeof(address)));
	setsockopt(line, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	status(AUDIT_STATUS_PID | AUDIT_STATUS_ENABLED | AUDIT_STATUS_BACKLOG_LIMIT, 1, getpid());
	rule(AUDIT_ADD_RULE, LOGIN, SYS_write);
	fd = log_open("/tmp/audit.log");
	tags_open(tags);
}

static void end(void)
{
	rule(AUDIT_DEL_RULE, LOGIN, SYS_write);
	status(AUDIT_STATUS_ENABLED, 0, 0);
	status(AUDIT_STATUS_PID, 0, 0);
}

static const struct event *of(int type, const char *stamp)
{
	const struct event *found = NULL;

	for (size_t i = 0; i < count; i++)
		if (events[i].type == type && !strcmp(events[i].stamp, stamp)) {
			must(!found, "two records of type %d in event %s", type, stamp);
			found = &events[i];
		}
	return found;
}

/* A companion's numbers are its tag's, and its event is of that process's write. */
static void compare(const struct event *event, const struct tags *tags)
{
	unsigned long long seq, inode, cgroup, nanos;
	unsigned int load, cpu, major, minor, generation, length, crc, hashed, space, flags;
	int tgid, pid, itgid, ipid;
	const struct winnower_tag *tag = NULL;
	long long offset;
	char words[64];

	int got = sscanf(event->text,
			 "winnower: load=%u cpu=%u seq=%llu dev=%x:%x ino=%llu gen=%u off=%lld len=%u crc=%x hashed=%u "
			 "tgid=%d pid=%d itgid=%d ipid=%d ns=%u cgroup=%llu nanos=%llu flags=%u",
			 &load, &cpu, &seq, &major, &minor, &inode, &generation, &offset, &length, &crc, &hashed, &tgid, &pid,
			 &itgid, &ipid, &space, &cgroup, &nanos, &flags);
	must(got == 19, "%d numbers in: %s", got, event->text);
	for (size_t i = 0; i < tags->count && !tag; i++)
		if (tags->tag[i].cpu == cpu && tags->tag[i].sequence == seq)
			tag = &tags->tag[i];
	must(tag, "no tag %llu of CPU %u", seq, cpu);
	must(tag->load == load && tag->major == major && tag->minor == minor && tag->inode == inode &&
		     tag->generation == generation && tag->offset == (uint64_t)offset && tag->length == length &&
		     tag->crc == crc && tag->hashed == hashed && (int)tag->tgid == tgid && (int)tag->pid == pid &&
		     (int)tag->inner_tgid == itgid && (int)tag->inner_pid == ipid && tag->namespace_id == space &&
		     tag->cgroup == cgroup && tag->nanos == nanos && tag->flags == flags,
	     "another tag than the device's: %s", event->text);
	const struct event *call = of(AUDIT_SYSCALL, event->stamp);
	must(call, "no SYSCALL record in event %s", event->stamp);
	must(strstr(call->text, "syscall=1 ") && strstr(call->text, "exit=13 "), "of another call: %s", call->text);
	snprintf(words, sizeof(words), " pid=%d ", pid);
	must(strstr(call->text, words), "of another process than %d: %s", pid, call->text);
}

static size_t written_by(int login, struct tags *tags, size_t expected, size_t *calls)
{
	size_t companions = 0;

	*calls = count = tags->count = 0;
	done(say, &login);
	tags_read(tags);
	must(tags->count == LINES, "%zu tags of %d", tags->count, LINES);
	receive(expected);
	for (size_t i = 0; i < count; i++) {
		*calls += of_line(&events[i]);
		if (events[i].type == AUDIT_KERNEL_OTHER && !strncmp(events[i].text, "winnower:", 9)) {
			compare(&events[i], tags);
			companions++;
		}
	}
	return companions;
}

CHECK(companion, STEADY)
{
	struct tags tags;
	size_t calls;

	begin(&tags);
	must(written_by(LOGIN, &tags, LINES, &calls) == 0 && calls == LINES, "audit=N: companions, or %zu calls", calls);
	parameter_must("audit", "Y");
	must(written_by(LOGIN, &tags, LINES, &calls) == LINES && calls == LINES, "by rule: %zu calls, of %d", calls, LINES);
	must(written_by(LOGIN + 1, &tags, LINES, &calls) == LINES && calls == LINES, "by none: %zu calls, of %d", calls, LINES);
	parameter_must("audit", "N");
	must(written_by(LOGIN + 1, &tags, 0, &calls) == 0 && calls == 0, "audit=N again: %zu calls", calls);
	end();
	note("%d of %d events have tag and system call, by rule and by no rule", 2 * LINES, 2 * LINES);
}
