// SPDX-License-Identifier: GPL-2.0
/* A livepatch that replaces all others, and itself does next to nothing. */

#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/seq_file.h>

static int show_cmdline(struct seq_file *file, void *unused)
{
	seq_puts(file, "replaced\n");
	return 0;
}

static struct klp_func functions[] = {
	{ .old_name = "cmdline_proc_show", .new_func = show_cmdline },
	{ }
};

static struct klp_object objects[] = {
	{ .funcs = functions },
	{ }
};

static struct klp_patch patch = {
	.mod = THIS_MODULE,
	.objs = objects,
	.replace = true,
};

static int __init replaces_all_init(void)
{
	return klp_enable_patch(&patch);
}

static void __exit replaces_all_exit(void)
{
}

module_init(replaces_all_init);
module_exit(replaces_all_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Replaces all livepatches");
MODULE_INFO(livepatch, "Y");
