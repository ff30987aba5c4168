/* SPDX-License-Identifier: GPL-2.0 */
/* Redirecting C's taskstats, for a kernel without the slot: see livepatch.c. */
#ifndef RUST_TASKSTATS_LIVEPATCH_H
#define RUST_TASKSTATS_LIVEPATCH_H

#include <linux/types.h>

struct genl_family;
struct genl_info;
struct sk_buff;
struct task_struct;

/**
 * struct taskstats_redirection - what C's functions are redirected to
 * @exit: called in the place of taskstats_exit()
 * @query: called in the place of taskstats_user_cmd(), as the family's doit
 * @cgroup: called in the place of cgroupstats_user_cmd(), as the family's doit
 * @complete: called once, when every task comes through here; under klp_mutex
 * @ending: called before tasks go back to C's functions, unless another livepatch
 *	that replaces this one sends them there; under klp_mutex
 */
struct taskstats_redirection {
	void (*exit)(const struct taskstats_redirection *to,
		     struct task_struct *tsk, int group_dead);
	int (*query)(const struct taskstats_redirection *to,
		     struct sk_buff *skb, struct genl_info *info);
	int (*cgroup)(const struct taskstats_redirection *to,
		      struct sk_buff *skb, struct genl_info *info);
	void (*complete)(const struct taskstats_redirection *to);
	void (*ending)(const struct taskstats_redirection *to);
};

int taskstats_redirect(const struct taskstats_redirection *to,
		       struct genl_family *family);
void taskstats_redirect_end(struct genl_family *family);
bool taskstats_built_for_this_kernel(void);
bool taskstats_layouts_are_known(void);
bool taskstats_originals_are_callable(void);
void taskstats_log_attached(void);
void taskstats_log_detached(void);

/* C's functions themselves, whoever is redirected. */
void taskstats_exit_original(struct task_struct *tsk, int group_dead);
int taskstats_user_cmd_original(struct sk_buff *skb, struct genl_info *info);
int cgroupstats_user_cmd_original(struct sk_buff *skb, struct genl_info *info);

#endif
