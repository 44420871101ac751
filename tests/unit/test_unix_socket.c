// SPDX-License-Identifier: BSD-2-Clause
/* The file that clients connect to: whose it is, and what is in its way. */
#include <fcntl.h>
#include <sys/stat.h>

#include "tests/unit/control_client.h"

TestSuite(unix_socket, .init = start, .fini = stop);

static unsigned mode_of(const char *file)
{
	struct stat st;

	return lstat(file, &st) ? 0 : st.st_mode & 07777;
}

Test(unix_socket, the_socket_is_roots_own_unless_it_has_a_group)
{
	char parent[100];

	umask(0077);
	SERVE();
	cr_assert_eq(mode_of(path), 0600);
	snprintf(parent, sizeof(parent), "%s/run", directory);
	cr_assert_eq(mode_of(parent), 0755);
	control_close(control);
	serve((struct control_settings){.group = getgid()});
	cr_assert_eq(mode_of(path), 0660);
}

Test(unix_socket, requests_by_a_socket_for_readers_are_marked)
{
	SERVE(.read_only = true);
	expect_service();
	cr_assert(last_peer.read_only);
}

Test(unix_socket, the_socket_is_removed_at_the_end_if_it_is_still_ours)
{
	int fd;

	SERVE();
	control_close(control);
	cr_assert_eq(access(path, F_OK), -1);
	SERVE();
	unlink(path);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	close(fd);
	control_close(control);
	control = NULL;
	cr_assert_eq(access(path, F_OK), 0);
}

Test(unix_socket, a_socket_left_by_a_dead_agent_is_replaced)
{
	SERVE();
	control_close(control);
	close(bind_unix(path));
	SERVE();
	expect_service();
}

Test(unix_socket, a_living_agents_socket_is_left_alone)
{
	struct control_settings settings = {.group = (gid_t)-1};
	struct control *first;
	struct error error;

	SERVE();
	first = control;
	cr_assert_eq(open_with(settings, &error), -EADDRINUSE);
	cr_assert(strstr(error.text, path));
	cr_assert_eq(control, first);
	expect_service();
}

Test(unix_socket, a_file_that_is_no_socket_is_left_alone)
{
	struct control_settings settings = {.group = (gid_t)-1};
	struct error error;
	int fd;

	SERVE();
	control_close(control);
	control = NULL;
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	close(fd);
	cr_assert_eq(open_with(settings, &error), -EEXIST);
	cr_assert_eq(access(path, F_OK), 0);
}

Test(unix_socket, a_path_that_cannot_be_is_an_error)
{
	struct control_settings settings = {.group = (gid_t)-1};
	struct error error = {""};
	char name[200];

	memset(name, 'x', sizeof(name) - 1);
	name[0] = '/';
	name[sizeof(name) - 1] = '\0';
	settings.path = name;
	cr_assert_eq(open_with(settings, &error), -ENAMETOOLONG);
	snprintf(name, sizeof(name), "%s/none/below/control.sock", directory);
	cr_assert_eq(open_with(settings, &error), -ENOENT);
	cr_assert(strstr(error.text, "/none/below"));
}
