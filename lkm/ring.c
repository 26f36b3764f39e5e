// SPDX-License-Identifier: GPL-2.0
/*
 * The rings: for each CPU the tags that wait for the reader.
 *
 * Rules of this file
 *     - One producer and one consumer for each ring. The producer is the CPU itself with
 *       preemption off; a producer that interrupts another on its CPU keeps nothing (`depth`),
 *       it only counts. The consumer holds the device's lock.
 *     - Only the producer writes `head`, `sequence`, `dropped`; only the consumer writes
 *       `tail`, `read`. A slot is filled before `head` is released and copied out before `tail`
 *       is released.
 *     - Full: the newest is dropped. `sequence` has counted it, so who reads sees the gap.
 *     - A writer wakes a reader only if one sleeps, and not itself but by irq_work: a hook may
 *       run where the scheduler's locks must not be taken.
 *     - Rings of all possible CPUs, so that a CPU may come and go.
 *
 * Complexity: O(1) for a writer; O(CPUs + bytes) for a reader.
 * Source: Documentation/core-api/circular-buffers.rst, Documentation/memory-barriers.txt.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/irq_work.h>
#include <linux/log2.h>
#include <linux/percpu.h>
#include <linux/poll.h>
#include <linux/vmalloc.h>
#include <linux/wait.h>

#include "winnower.h"

#ifndef WINNOWER_FIRST
#define WINNOWER_FIRST 0 /* the first sequence; a test builds with another, to see it wrap */
#endif
#define FIRST_SLOT -8u /* `head` and `tail` wrap soon after each load, not once in years */
#define FEWEST 16u
#define MOST ((unsigned int)BIT(18))

struct ring {
	struct winnower_tag *slots;
	struct irq_work wake;
	unsigned int depth;
	unsigned int head;
	u64 sequence;
	u64 dropped;
	unsigned int tail ____cacheline_aligned_in_smp;
	u64 read;
};

static DEFINE_PER_CPU_ALIGNED(struct ring, rings);
DECLARE_WAIT_QUEUE_HEAD(winnower_readers);
static unsigned int slots_each;
static unsigned int turn; /* the CPU to begin with at the next read; the consumer's */
static int asleep; /* someone looked, found nothing, and waits */

static void wake(struct irq_work *work)
{
	WRITE_ONCE(asleep, 0);
	wake_up_interruptible_poll(&winnower_readers, EPOLLIN | EPOLLRDNORM);
}

int winnower_rings_init(unsigned int records)
{
	unsigned int cpu;

	if (!is_power_of_2(records) || records < FEWEST || records > MOST) {
		pr_err("records=%u: give a power of two from %u to %u\n", records, FEWEST, MOST);
		return -EINVAL;
	}
	slots_each = records;
	for_each_possible_cpu(cpu) {
		struct ring *ring = per_cpu_ptr(&rings, cpu);

		init_irq_work(&ring->wake, wake);
		ring->sequence = WINNOWER_FIRST;
		ring->head = FIRST_SLOT;
		ring->tail = FIRST_SLOT;
		ring->slots = vzalloc_node(array_size(records, sizeof(*ring->slots)),
					   cpu_to_node(cpu));
		if (!ring->slots) {
			winnower_rings_exit();
			return -ENOMEM;
		}
	}
	return 0;
}

/* No producer is left. */
void winnower_rings_exit(void)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		struct ring *ring = per_cpu_ptr(&rings, cpu);

		if (ring->slots)
			irq_work_sync(&ring->wake);
		vfree(ring->slots);
		ring->slots = NULL;
	}
}

/* Counts a tag; whether it may be put. Preemption is off until winnower_ring_leave(). */
bool winnower_ring_enter(u64 *sequence)
{
	struct ring *ring;

	preempt_disable();
	ring = this_cpu_ptr(&rings);
	*sequence = this_cpu_inc_return(rings.sequence) - 1;
	if (this_cpu_inc_return(rings.depth) == 1) {
		/* acquires: the reader has copied out what is overwritten now */
		unsigned int tail = smp_load_acquire(&ring->tail);

		if (ring->head - tail < slots_each)
			return true;
	}
	this_cpu_inc(rings.dropped);
	return false;
}

void winnower_ring_put(const struct winnower_tag *tag)
{
	struct ring *ring = this_cpu_ptr(&rings);

	ring->slots[ring->head & (slots_each - 1)] = *tag;
	/* releases the slot */
	smp_store_release(&ring->head, ring->head + 1);
	smp_mb(); /* `head` before `asleep`; pairs with winnower_rings_watch() */
	if (READ_ONCE(asleep))
		irq_work_queue(&ring->wake);
}

void winnower_ring_leave(void)
{
	this_cpu_dec(rings.depth);
	preempt_enable();
}

/* Copies whole records of one ring, up to `room` or a page that cannot be written. */
static unsigned int drain(struct ring *ring, char __user *to, unsigned int room, bool *fault)
{
	const size_t each = sizeof(*ring->slots);
	unsigned int tail = ring->tail;
	/* acquires the slots */
	unsigned int most = min(smp_load_acquire(&ring->head) - tail, room);
	unsigned int done = 0;

	while (done < most && !*fault) {
		unsigned int at = (tail + done) & (slots_each - 1);
		unsigned int run = min(most - done, slots_each - at);
		unsigned long left = copy_to_user(to + done * each, ring->slots + at, run * each);

		done += run - DIV_ROUND_UP(left, each);
		*fault = left;
	}
	WRITE_ONCE(ring->read, ring->read + done);
	/* releases the slots: they have been copied out */
	smp_store_release(&ring->tail, tail + done);
	return done;
}

/* Bytes copied, 0 if nothing waits. The caller is the only consumer. */
ssize_t winnower_rings_read(char __user *to, size_t size)
{
	const size_t each = sizeof(struct winnower_tag);
	unsigned int room = min_t(size_t, size, MAX_RW_COUNT) / each;
	unsigned int done = 0;
	unsigned int seen;
	bool fault = false;

	for (seen = 0; seen < nr_cpu_ids && done < room && !fault; seen++) {
		if (cpu_possible(turn))
			done += drain(per_cpu_ptr(&rings, turn), to + done * each, room - done,
				      &fault);
		turn = (turn + 1) % nr_cpu_ids;
	}
	return done || !fault ? (ssize_t)(done * each) : -EFAULT;
}

bool winnower_rings_waiting(void)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		struct ring *ring = per_cpu_ptr(&rings, cpu);

		if (READ_ONCE(ring->head) != READ_ONCE(ring->tail))
			return true;
	}
	return false;
}

/* Like winnower_rings_waiting(), and who is in the queue is woken if it was false. */
bool winnower_rings_watch(void)
{
	WRITE_ONCE(asleep, 1);
	smp_mb(); /* `asleep` before `head`; pairs with winnower_ring_put() */
	return winnower_rings_waiting();
}

void winnower_rings_count(struct winnower_counts *counts)
{
	unsigned int cpu;

	*counts = (struct winnower_counts) { 0 };
	for_each_possible_cpu(cpu) {
		struct ring *ring = per_cpu_ptr(&rings, cpu);

		counts->tagged += READ_ONCE(ring->sequence) - WINNOWER_FIRST;
		counts->dropped += READ_ONCE(ring->dropped);
		counts->read += READ_ONCE(ring->read);
		counts->waiting += READ_ONCE(ring->head) - READ_ONCE(ring->tail);
	}
}
