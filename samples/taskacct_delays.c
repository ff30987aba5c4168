// SPDX-License-Identifier: GPL-2.0
/*
 * Prints what every task that the caller may see has waited for a CPU and for
 * block I/O, by way of YNL: taskacct-user.h and taskacct-user.c are made of
 * Documentation/netlink/specs/taskacct.yaml, see Documentation/taskacct.rst.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ynl.h>

#include "taskacct-user.h"

int main(void)
{
	struct taskacct_task_get_req_dump *request;
	struct taskacct_task_get_list *tasks;
	struct ynl_error error;
	struct ynl_sock *ys;

	ys = ynl_sock_create(&ynl_taskacct_family, &error);
	if (!ys) {
		fprintf(stderr, "taskacct: %s\n", error.msg);
		return EXIT_FAILURE;
	}
	request = taskacct_task_get_req_dump_alloc();
	taskacct_task_get_req_dump_set_fields(request, TASKACCT_FIELD_IDENTITY |
						       TASKACCT_FIELD_DELAYS);
	tasks = taskacct_task_get_dump(ys, request);
	taskacct_task_get_req_dump_free(request);
	if (!tasks) {
		fprintf(stderr, "taskacct: %s\n", ys->err.msg);
		ynl_sock_destroy(ys);
		return EXIT_FAILURE;
	}
	/* What was never waited for is absent, and 0 here. */
	ynl_dump_foreach(tasks, task)
		printf("%u %llu %llu %.16s\n", task->identity.pid,
		       (unsigned long long)task->cpu_delay.total,
		       (unsigned long long)task->block_io_delay.total,
		       (const char *)task->identity.comm);
	taskacct_task_get_list_free(tasks);
	ynl_sock_destroy(ys);
	return EXIT_SUCCESS;
}
