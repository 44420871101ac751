// SPDX-License-Identifier: BSD-2-Clause
/* What the programs are made of, apart from what they do. */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/bpf/harness.h"

/* Calls of functions of the kernel's own: of the connection tracker's, here. */
static int kernel_calls(const struct bpf_program *program)
{
	const struct bpf_insn *instructions = bpf_program__insns(program);
	int count = 0;

	for (size_t i = 0; i < bpf_program__insn_cnt(program); i++)
		count += instructions[i].code == (BPF_JMP | BPF_CALL) &&
			 instructions[i].src_reg == BPF_PSEUDO_KFUNC_CALL;
	return count;
}

/* Linux 5.15 refuses a program that merely names one, be it in a function that it never calls. */
Test(programs, without_the_tracker_name_no_function_of_the_kernels)
{
	static const char *const names[] = {"filter_ethernet", "filter_ip", "filter_ethernet_ct",
					    "filter_ip_ct"};
	struct filter *filter = filter__open();

	cr_assert_not_null(filter);
	cr_assert_eq(filter__load(filter), 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const struct bpf_program *program = bpf_object__find_program_by_name(filter->obj,
										     names[i]);

		cr_assert_not_null(program);
		if (strstr(names[i], "_ct"))
			cr_assert_gt(kernel_calls(program), 0, "%s", names[i]);
		else
			cr_assert_eq(kernel_calls(program), 0, "%s", names[i]);
	}
	filter__destroy(filter);
}
