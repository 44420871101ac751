// SPDX-License-Identifier: BSD-2-Clause
#include "cli/check_host.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <net/if.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/plan.h"
#include "core/snapshot.h"

#define AGENT_USER "beamfence" /* of the unit */
#define NAMES_MAX  8	       /* are listed */

static void cleanup_names(struct if_nameindex **names)
{
	if (*names)
		if_freenameindex(*names);
}

static bool is_agents_file(const char *path)
{
	struct stat one, other;

	return !stat(path, &one) && !stat(CONFIG_DEFAULT, &other) && one.st_dev == other.st_dev &&
	       one.st_ino == other.st_ino;
}

/* In a process of its own, which becomes that user: modes, ACLs and the directories above count. */
static int try_to_read(const char *path, const struct passwd *user)
{
	int fd;

	if (initgroups(user->pw_name, user->pw_gid) || setgid(user->pw_gid) || setuid(user->pw_uid))
		return 0; /* no telling */
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	return fd < 0 ? errno : 0;
}

/* Returns 0 or a negative errno. */
static int read_as(const char *path, const struct passwd *user)
{
	const pid_t child = fork();
	int status;

	if (child < 0)
		return 0;
	if (!child)
		_exit(try_to_read(path, user));
	if (waitpid(child, &status, 0) != child || !WIFEXITED(status))
		return 0;
	return -WEXITSTATUS(status);
}

int check_host_access(const char *path, struct error *error)
{
	const struct passwd *user = geteuid() || !is_agents_file(path) ? NULL
								       : getpwnam(AGENT_USER);
	const int code = user ? read_as(path, user) : 0;

	if (!code)
		return 0;
	return error_set(error, code,
			 "%s: the agent's user, " AGENT_USER ", cannot read it: %s (chmod 644, or "
			 "chgrp " AGENT_USER " and chmod 640; directories above have to let it "
			 "through)",
			 path, strerror(-code));
}

static bool any_fits(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->interface_count; i++)
		if (plan_rule_fits(&config->interfaces[i], name))
			return true;
	return false;
}

static bool fits_any(const struct interface_rule *rule, const struct if_nameindex *names)
{
	for (; names->if_name; names++)
		if (strcmp(names->if_name, "lo") != 0 && plan_rule_fits(rule, names->if_name))
			return true;
	return false;
}

/* "; no entry fits eth0, eth1", or nothing. For the caller to free(); NULL without memory. */
static char *list_unfit(const struct config *config, const struct if_nameindex *names)
{
	const char *start = "; no entry fits ";
	char *text = NULL;
	size_t size, count = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	for (; names->if_name; names++) {
		if (!strcmp(names->if_name, "lo") || any_fits(config, names->if_name) ||
		    count++ >= NAMES_MAX)
			continue;
		fprintf(out, "%s%s", start, names->if_name);
		start = ", ";
	}
	if (count > NAMES_MAX)
		fprintf(out, " and %zu more", count - NAMES_MAX);
	fclose(out);
	return text;
}

json_t *check_host_names(const struct config *config)
{
	_cleanup_(cleanup_names) struct if_nameindex *names = if_nameindex();
	_cleanup_free_ char *unfit = names ? list_unfit(config, names) : NULL;
	json_t *list = json_array();

	for (size_t i = 0; unfit && i < config->interface_count; i++) {
		const struct interface_rule *rule = &config->interfaces[i];
		char vlan[8] = "";

		if (fits_any(rule, names))
			continue;
		if (rule->vlan)
			snprintf(vlan, sizeof(vlan), ".%u", rule->vlan);
		json_array_append_new(list,
				      json_sprintf("on this host, line %u: \"%s%s\" (%s) fits "
						   "no interface%s",
						   rule->line, rule->pattern, vlan,
						   zone_name(rule->zone), unfit));
	}
	return list;
}
