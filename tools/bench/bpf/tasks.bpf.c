// SPDX-License-Identifier: GPL-2.0
/*
 * What taskacct is measured against: a task iterator of BPF's that writes, of each
 * task, what the groups identity and delays of taskacct have. Whoever may read it
 * sees all tasks.
 */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

/* The fields that are read; where they are in this kernel, its BTF says. */
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct seq_file;

struct cred {
	struct { __u32 val; } uid;
	struct { __u32 val; } gid;
};

struct sched_info {
	unsigned long pcount;
	unsigned long long run_delay;
};

struct task_delay_info {
	__u64 blkio_delay, swapin_delay, freepages_delay, thrashing_delay;
	__u64 compact_delay, wpcopy_delay, irq_delay;
	__u32 blkio_count, swapin_count, freepages_count, thrashing_count;
	__u32 compact_count, wpcopy_count, irq_count;
};

struct task_struct {
	int pid;
	int tgid;
	struct task_struct *real_parent;
	const struct cred *real_cred;
	char comm[16];
	struct sched_info sched_info;
	struct task_delay_info *delays;
};

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

#pragma clang attribute pop

struct delay {
	__u64 count;
	__u64 total;
};

/* What is written of each: 168 bytes, which bench counts on. */
struct record {
	__u32 pid, tgid, ppid, uid, gid, pad;
	char comm[16];
	struct delay delays[8];
};

char LICENSE[] SEC("license") = "GPL";

SEC("iter/task")
int tasks(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct task_delay_info *delays;
	struct record record = {};

	/* The end of all. */
	if (!task)
		return 0;
	record.pid = task->pid;
	record.tgid = task->tgid;
	record.ppid = task->real_parent->tgid;
	record.uid = task->real_cred->uid.val;
	record.gid = task->real_cred->gid.val;
	__builtin_memcpy(record.comm, task->comm, sizeof(record.comm));
	record.delays[0].count = task->sched_info.pcount;
	record.delays[0].total = task->sched_info.run_delay;
	delays = task->delays;
	if (delays) {
		record.delays[1] = (struct delay){ delays->blkio_count, delays->blkio_delay };
		record.delays[2] = (struct delay){ delays->swapin_count, delays->swapin_delay };
		record.delays[3] = (struct delay){ delays->freepages_count,
						   delays->freepages_delay };
		record.delays[4] = (struct delay){ delays->thrashing_count,
						   delays->thrashing_delay };
		record.delays[5] = (struct delay){ delays->compact_count,
						   delays->compact_delay };
		record.delays[6] = (struct delay){ delays->wpcopy_count,
						   delays->wpcopy_delay };
		record.delays[7] = (struct delay){ delays->irq_count, delays->irq_delay };
	}
	bpf_seq_write(ctx->meta->seq, &record, sizeof(record));
	return 0;
}
