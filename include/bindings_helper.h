/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The C headers of what the module calls and the kernel crate has no bindings
 * for. What of them gets into the bindings is in bindgen_parameters.
 */
#include <linux/acct.h>
#include <linux/cgroup.h>
#include <linux/cpumask.h>
#include <linux/cred.h>
#include <linux/delayacct.h>
#include <linux/filter.h>
#include <linux/mm.h>
#include <linux/net.h>
#include <linux/netlink.h>
#include <linux/percpu.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/ptrace.h>
#include <linux/radix-tree.h>
#include <linux/sched/cputime.h>
#include <linux/sched/exec_state.h>
#include <linux/sched/signal.h>
#include <linux/skbuff.h>
#include <linux/slab.h>
#include <linux/taskstats_kern.h>
#include <linux/topology.h>
#include <linux/uidgid.h>
#include <net/genetlink.h>
#include <net/sock.h>
#ifdef SEAM_LIVEPATCH
#include "../rust/seam/livepatch.h"
#endif

#include "uapi/linux/taskacct.h"

/* As in the kernel's rust/helpers/helpers.c. bindgen ignores inline functions. */
#ifdef __BINDGEN__
#define __rust_helper
#else
#define __rust_helper __always_inline
#endif

/* rust/genetlink/unicast.c */
int netlink_unicast_sock(struct sock *sk, struct sk_buff *skb);
