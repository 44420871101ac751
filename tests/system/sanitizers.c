// SPDX-License-Identifier: BSD-2-Clause
/*
 * Linked into agent and command line by "make check-sanitized": what the sanitizers are told where
 * a test clears the environment, and the directory that gets their reports.
 */
const char *__asan_default_options(void);
const char *__ubsan_default_options(void);

const char *__asan_default_options(void)
{
	return "exitcode=99:detect_stack_use_after_return=1:"
	       "verify_asan_link_order=0:" /* tests/faults comes before it */
	       "log_path=" SANITIZER_REPORTS "/report";
}

const char *__ubsan_default_options(void)
{
	return "print_stacktrace=1:log_path=" SANITIZER_REPORTS "/report";
}
