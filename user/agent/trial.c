// SPDX-License-Identifier: BSD-2-Clause
#include "agent/trial.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/agent.h"
#include "core/cleanup.h"
#include "core/clock.h"

static void cleanup_config(struct config **config)
{
	config_free(*config);
}

/* Releases the trial that is under way; what an earlier one confirmed stays known. */
static void forget_current(struct trial *trial)
{
	const struct trial kept = {.confirmed = trial->confirmed,
				   .confirmed_size = trial->confirmed_size};

	config_free(trial->former);
	free(trial->former_holds);
	free(trial->former_places);
	free(trial->name);
	free(trial->text);
	*trial = kept;
}

void trial_forget(struct trial *trial)
{
	forget_current(trial);
	free(trial->confirmed);
	*trial = (struct trial){};
}

/* Says whose trial is under way, and how long it has. */
static int refuse_second(const struct trial *trial, struct error *error)
{
	return error_set(error, -EBUSY,
			 "%s is on trial already (uid %u, %lld s left): confirm or revert that "
			 "first",
			 trial->name, trial->uid,
			 (long long)(trial->ends_ms - boottime_ms()) / 1000);
}

static int remember(struct trial *trial, const struct trial_request *request,
		    const struct plan *plan, struct error *error)
{
	trial->name = strdup(request->name);
	trial->text = malloc(request->size + 1);
	trial->former_holds = calloc(plan->held_count + 1, sizeof(*trial->former_holds));
	trial->former_place_count = plan_places(plan, &trial->former_places);
	if (!trial->name || !trial->text || !trial->former_holds || trial->former_place_count < 0) {
		forget_current(trial);
		return error_set(error, -ENOMEM, "out of memory");
	}
	memcpy(trial->text, request->text, request->size);
	trial->size = request->size;
	trial->former_hold_count = plan->held_count;
	memcpy(trial->former_holds, plan->held, plan->held_count * sizeof(*plan->held));
	trial->ends_ms = request->ends_ms;
	trial->uid = request->uid;
	trial->pid = request->pid;
	return 0;
}

int agent_try(struct agent *agent, const struct trial_request *request, struct review *review,
	      struct error *error)
{
	_cleanup_(cleanup_config) struct config *config = NULL;
	struct trial *trial = &agent->trial;
	int code;

	if (trial->former)
		return refuse_second(trial, error);
	code = config_read(request->name, request->text, request->size, &config, error);
	if (!code)
		code = remember(trial, request, agent->plan, error);
	if (code)
		return code;
	code = agent_apply(agent, &config, review, error);
	if (code)
		forget_current(trial);
	else
		trial->former = TAKE_POINTER(config);
	return code;
}

static int no_trial(struct error *error)
{
	return error_set(error, -ENOENT, "no configuration is on trial, or its time is over");
}

/* A copy: the trial's own is compared with the file. Without memory the one before is kept. */
static void keep_confirmed(struct agent *agent)
{
	const struct trial *trial = &agent->trial;
	char *text = malloc(trial->confirmed_size + 1);

	if (!text)
		return;
	memcpy(text, trial->confirmed, trial->confirmed_size);
	free(agent->good_text);
	agent->good_text = text;
	agent->good_size = trial->confirmed_size;
}

int agent_confirm(struct agent *agent, struct error *error)
{
	struct trial *trial = &agent->trial;

	if (!trial->former)
		return no_trial(error);
	free(trial->confirmed);
	trial->confirmed = TAKE_POINTER(trial->text);
	trial->confirmed_size = trial->size;
	agent->fallback = (struct error){};
	keep_confirmed(agent);
	forget_current(trial);
	return 0;
}

int agent_revert(struct agent *agent, struct error *error)
{
	struct trial *trial = &agent->trial;
	int code;

	if (!trial->former)
		return no_trial(error);
	code = agent_apply(agent, &trial->former, NULL, error);
	if (!code)
		forget_current(trial); /* its "former" is by now the one that was tried */
	return code;
}

bool agent_differs_from_file(const struct agent *agent)
{
	const struct trial *trial = &agent->trial;
	_cleanup_close_ int fd = -1;
	char bytes[4096];
	struct stat st;

	if (trial->former || !trial->confirmed)
		return false;
	fd = open(agent->config_path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode) ||
	    (size_t)st.st_size != trial->confirmed_size)
		return true;
	for (size_t done = 0; done < trial->confirmed_size;) {
		const ssize_t got = read(fd, bytes, sizeof(bytes));

		if (got <= 0 || (size_t)got > trial->confirmed_size - done ||
		    memcmp(bytes, trial->confirmed + done, (size_t)got) != 0)
			return true;
		done += (size_t)got;
	}
	return false;
}
