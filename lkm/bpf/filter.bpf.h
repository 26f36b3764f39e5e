/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Which writes are tagged: append or below a folder, of a cgroup, not of an excluded process.
 *
 * Rules of this file
 *     - The cheapest question first; a list that is empty costs nothing (settings are constants when verified).
 *     - Folders are names as the writing process sees them, from its own root. They are walked upwards without locks: a
 *       rename at that very moment may hide or show one write. What cannot be walked is counted, not guessed.
 *
 * Complexity: O(1); with folders O(depth of the file), at most MAX_DEPTH; with cgroups O(depth of the cgroup).
 */
#ifndef WINNOWER_FILTER_BPF_H
#define WINNOWER_FILTER_BPF_H

#define O_APPEND 02000
#define S_IFMT 0170000
#define S_IFREG 0100000

const volatile struct settings settings SEC(".rodata.settings") = {};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_EXCLUDED);
	__type(key, __u32);
	__type(value, __u8);
} excluded SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_CGROUPS);
	__type(key, __u64);
	__type(value, __u8);
} cgroups SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, MAX_FOLDERS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct folder);
	__type(value, __u8);
} folders SEC(".maps");

/*
 * Working memory, one for each CPU and program: one program may interrupt another. Functions of their own to the
 * verifier take what they work on from here: what goes through a map comes back as a number, whatever pointer it was.
 */
struct scratch {
	struct file *file;
	__u64 data;
	__u64 parts;
	__u64 vector;
	struct winnower_tag tag;
	struct folder folder;
	char beyond[MAX_PATH]; /* names run over the end of `folder`, and are cut there */
	struct dentry *above[MAX_DEPTH]; /* the file and its folders, and how many they are */
	__u64 depth;
	__u64 length; /* of the folder's name so far */
	__u64 have; /* of the bytes */
	__u8 bytes[2 * WINNOWER_TAG_HASHED];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct counts);
} counted SEC(".maps");

static __always_inline struct scratch *scratch(__u32 which)
{
	return bpf_map_lookup_elem(&scratches, &which);
}

static __always_inline struct counts *counts(void)
{
	__u32 first = 0;

	return bpf_map_lookup_elem(&counted, &first);
}

/* The number of a struct pid in the namespace of a level; `pid` is an address, no pointer that the verifier follows. */
static __always_inline void number_at(struct pid *pid, __u32 level, struct upid *number)
{
	bpf_probe_read_kernel(number, bpf_core_type_size(struct upid),
			      (void *)((__u64)pid + bpf_core_field_offset(struct pid, numbers) +
				      (__u64)level * bpf_core_type_size(struct upid)));
}

static __always_inline bool is_excluded(void)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u32 tgid = task->tgid;
	struct upid number = {};
	struct pid *pid;
	__u32 level;

	if (settings.numbers_of) { /* the helper stands in a pid namespace, and knows processes by its numbers */
		tgid = 0;
		pid = BPF_CORE_READ(task, group_leader, thread_pid);
		level = BPF_CORE_READ(pid, level);
		for (__u32 i = 0; i < 32 && i <= level; i++) {
			number_at(pid, i, &number);
			if (BPF_CORE_READ(number.ns, ns.inum) == settings.numbers_of)
				tgid = number.nr;
		}
	}
	return bpf_map_lookup_elem(&excluded, &tgid);
}

static __always_inline bool in_cgroups(void)
{
	if (!settings.cgroups)
		return true;
	for (int level = 0; level < MAX_CGROUP_DEPTH; level++) {
		__u64 id = bpf_get_current_ancestor_cgroup_id(level);

		if (!id)
			return false;
		if (bpf_map_lookup_elem(&cgroups, &id))
			return true;
	}
	return false;
}

/*
 * The folders above a file up to the root of the process, the file first. False if they cannot be known.
 * What loops add up is kept in the map: the verifier then meets one state each turn, and not one for each way to it.
 */
static __always_inline bool walk(struct scratch *s)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct file *file = s->file;
	struct dentry *at = BPF_CORE_READ(file, f_path.dentry), *root = task->fs->root.dentry, *above;
	struct vfsmount *mnt = BPF_CORE_READ(file, f_path.mnt), *root_mnt = task->fs->root.mnt;

	s->depth = 0;
	for (int i = 0; i < MAX_DEPTH; i++) {
		if (at == root && mnt == root_mnt)
			return true;
		if (at == BPF_CORE_READ(mnt, mnt_root)) {
			struct mount *mount = (void *)mnt - bpf_core_field_offset(struct mount, mnt);
			struct mount *parent = BPF_CORE_READ(mount, mnt_parent);

			if (parent == mount)
				return false; /* out of the process's root */
			at = BPF_CORE_READ(mount, mnt_mountpoint);
			mnt = (void *)parent + bpf_core_field_offset(struct mount, mnt);
			continue;
		}
		above = BPF_CORE_READ(at, d_parent);
		if (above == at)
			return false;
		s->above[s->depth & (MAX_DEPTH - 1)] = at;
		s->depth++;
		at = above;
	}
	return false;
}

/* "/var/log/" of /var/log/messages, as far as a key goes. */
static __always_inline bool name_folder(struct scratch *s)
{
	s->length = 0;
	for (int i = 0; i < MAX_DEPTH && s->length < MAX_PATH; i++) {
		struct dentry *next;
		long read;

		s->folder.path[s->length & (MAX_PATH - 1)] = '/';
		s->length++;
		s->depth--;
		if (!s->depth || s->length >= MAX_PATH)
			break;
		next = s->above[s->depth & (MAX_DEPTH - 1)];
		read = bpf_probe_read_kernel_str(&s->folder.path[s->length & (MAX_PATH - 1)], MAX_PATH,
						 BPF_CORE_READ(next, d_name.name));
		if (read < 1)
			return false;
		s->length += read - 1;
	}
	s->folder.bits = 8 * (s->length < MAX_PATH ? s->length : MAX_PATH);
	return true;
}

/* A function of its own to the verifier, once for all programs. */
__noinline int below_folder(__u32 which)
{
	struct scratch *s = scratch(which);
	struct counts *c = counts();

	if (!s || !c)
		return 0;
	if (!walk(s) || !s->depth) {
		__sync_fetch_and_add(&c->unwalked, 1);
		return 0;
	}
	return name_folder(s) && bpf_map_lookup_elem(&folders, &s->folder);
}

static __always_inline bool is_wanted(struct file *file, __u32 flags, __u32 which)
{
	bool append = settings.append && (flags & O_APPEND);
	struct scratch *s;

	if (!append && !settings.folders)
		return false;
	if ((BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFREG)
		return false;
	if (is_excluded() || !in_cgroups())
		return false;
	if (append)
		return true;
	s = scratch(which);
	if (!s)
		return false;
	s->file = file;
	return below_folder(which);
}

#endif
