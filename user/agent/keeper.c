// SPDX-License-Identifier: BSD-2-Clause
#include "agent/keeper.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "agent/moment.h"
#include "agent/privileges.h"
#include "core/cleanup.h"

/* One state of the file, to be written. */
struct job {
	void *data;
	size_t count;
	uint64_t number;
	bool filled;
};

/* Somebody who is to be told when job @number, or a later one, is written. */
struct waiter {
	struct waiter *next;
	uint64_t number;
	keeper_done done;
	void *context;
	uint64_t request;
};

struct keeper {
	const struct state *state;
	const struct keeper_kind *kind;
	keeper_report report;
	void *context;
	int wake_fd; /* the thread tells the loop that it is done with a job */
	struct event *woken;
	struct event *retry;
	struct event *patience; /* runs while somebody waits */
	struct waiter *waiters; /* oldest first */
	struct job next;	/* waits for the thread to be free */
	uint64_t last_number;
	struct error problem; /* of the last save, "" when it succeeded */
	bool running;

	pthread_t thread;
	pthread_mutex_t lock; /* guards the rest */
	pthread_cond_t changed;
	struct job job;	 /* the thread's */
	bool busy, done; /* there is a job; it is done, and the loop is to take its outcome */
	bool end;
	int code;
	struct error error;
};

static void job_free(struct job *job)
{
	free(job->data);
	*job = (struct job){};
}

static int write_peers(const struct state *state, const void *data, size_t count,
		       struct error *error)
{
	struct moment now;

	moment_now(&now);
	return state_save(state, data, count, &now, error);
}

static int write_config(const struct state *state, const void *data, size_t count,
			struct error *error)
{
	return state_save_config(state, data, count, error);
}

const struct keeper_kind keeper_of_peers = {"runtime peers", write_peers};
const struct keeper_kind keeper_of_config = {"the last good configuration", write_config};

static void *write_jobs(void *context)
{
	struct keeper *keeper = context;
	const uint64_t one = 1;

	privileges_leave(); /* else what the loop gives up later stays here */
	pthread_mutex_lock(&keeper->lock);
	for (;;) {
		struct error error = {};
		int code;

		while (!keeper->end && (!keeper->busy || keeper->done))
			pthread_cond_wait(&keeper->changed, &keeper->lock);
		if (!keeper->busy || keeper->done)
			break;
		pthread_mutex_unlock(&keeper->lock);
		code = keeper->kind->write(keeper->state, keeper->job.data, keeper->job.count,
					   &error);
		pthread_mutex_lock(&keeper->lock);
		keeper->code = code;
		keeper->error = error;
		keeper->done = true;
		if (write(keeper->wake_fd, &one, sizeof(one)) < 0)
			break; /* cannot be: the counter is far from full */
	}
	pthread_mutex_unlock(&keeper->lock);
	return NULL;
}

/* Signals are the loop's business. */
static int start_thread(struct keeper *keeper)
{
	sigset_t all, before;
	int code;

	if (keeper->running)
		return 0;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	code = pthread_create(&keeper->thread, NULL, write_jobs, keeper);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	keeper->running = !code;
	return -code;
}

/* Tells those who wait for a job up to that number. */
static void tell(struct keeper *keeper, uint64_t number, int code, const struct error *error)
{
	while (keeper->waiters && keeper->waiters->number <= number) {
		struct waiter *waiter = keeper->waiters;

		keeper->waiters = waiter->next;
		waiter->done(waiter->context, waiter->request, code, error);
		free(waiter);
	}
	if (!keeper->waiters)
		event_del(keeper->patience);
}

/* The problem as it is now; reports where it begins and where it ends. */
static void note(struct keeper *keeper, int code, const struct error *error)
{
	const bool failed = keeper->problem.text[0];

	keeper->problem = code ? *error : (struct error){};
	if (failed != (code != 0))
		keeper->report(keeper->context, code ? &keeper->problem : NULL);
}

static void try_later(struct keeper *keeper)
{
	const struct timeval pause = {.tv_sec = KEEPER_RETRY_S};

	event_add(keeper->retry, &pause);
}

/* Hands the next job to the thread if that is free. */
static void give(struct keeper *keeper)
{
	int code;

	if (!keeper->next.filled)
		return;
	pthread_mutex_lock(&keeper->lock);
	if (keeper->busy) {
		pthread_mutex_unlock(&keeper->lock);
		return;
	}
	keeper->job = keeper->next;
	keeper->busy = true;
	keeper->next = (struct job){};
	pthread_cond_signal(&keeper->changed);
	pthread_mutex_unlock(&keeper->lock);
	code = start_thread(keeper);
	if (code) {
		struct error error;

		keeper->busy = false;
		keeper->next = keeper->job;
		keeper->job = (struct job){};
		error_set(&error, code, "%s cannot be written: %s", keeper->kind->what,
			  strerror(-code));
		note(keeper, code, &error);
		tell(keeper, keeper->next.number, code, &error);
		try_later(keeper);
	}
}

static void on_woken(evutil_socket_t fd, short events, void *context)
{
	struct keeper *keeper = context;
	uint64_t times, number;
	struct error error;
	int code;

	(void)events;
	if (read(fd, &times, sizeof(times)) < 0)
		return;
	pthread_mutex_lock(&keeper->lock);
	code = keeper->code;
	error = keeper->error;
	number = keeper->job.number;
	if (code && !keeper->next.filled) {
		keeper->next = keeper->job; /* to try again */
		keeper->job = (struct job){};
	}
	job_free(&keeper->job);
	keeper->busy = keeper->done = false;
	pthread_mutex_unlock(&keeper->lock);
	malloc_trim(0); /* the text of a large configuration leaves megabytes behind */
	note(keeper, code, &error);
	if (code && keeper->next.number == number)
		try_later(keeper);
	else
		give(keeper);
	tell(keeper, number, code, &error);
}

static void on_retry(evutil_socket_t fd, short events, void *context)
{
	(void)fd, (void)events;
	give(context);
}

static void on_patience(evutil_socket_t fd, short events, void *context)
{
	struct keeper *keeper = context;
	struct error error;

	(void)fd, (void)events;
	error_set(&error, -ETIMEDOUT, "the disk of the state directory does not answer");
	note(keeper, -ETIMEDOUT, &error);
	tell(keeper, UINT64_MAX, -ETIMEDOUT, &error);
}

int keeper_open(struct event_base *base, const struct state *state, const struct keeper_kind *kind,
		keeper_report report, void *context, struct keeper **result, struct error *error)
{
	struct keeper *keeper = calloc(1, sizeof(*keeper));

	if (!keeper)
		return error_set(error, -ENOMEM, "out of memory");
	keeper->state = state;
	keeper->kind = kind;
	keeper->report = report;
	keeper->context = context;
	pthread_mutex_init(&keeper->lock, NULL);
	pthread_cond_init(&keeper->changed, NULL);
	keeper->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	keeper->woken = event_new(base, keeper->wake_fd, EV_READ | EV_PERSIST, on_woken, keeper);
	keeper->retry = evtimer_new(base, on_retry, keeper);
	keeper->patience = evtimer_new(base, on_patience, keeper);
	if (keeper->wake_fd < 0 || !keeper->woken || !keeper->retry || !keeper->patience ||
	    event_add(keeper->woken, NULL)) {
		keeper_close(keeper);
		return error_set(error, -ENOMEM, "out of memory");
	}
	*result = keeper;
	return 0;
}

static void wait_for(struct keeper *keeper, struct waiter *waiter)
{
	const struct timeval patience = {.tv_sec = KEEPER_PATIENCE_S};
	struct waiter **last = &keeper->waiters;

	while (*last)
		last = &(*last)->next;
	*last = waiter;
	if (!event_pending(keeper->patience, EV_TIMEOUT, NULL))
		event_add(keeper->patience, &patience);
}

/* From the loop, so that nobody is told before the caller returns. */
static void save(struct keeper *keeper, void *data, size_t count)
{
	job_free(&keeper->next);
	keeper->next = (struct job){data, count, ++keeper->last_number, true};
	event_active(keeper->retry, EV_TIMEOUT, 0);
}

int keeper_save(struct keeper *keeper, const struct peer_list *peers, keeper_done done,
		void *context, uint64_t request)
{
	struct waiter *waiter = done ? calloc(1, sizeof(*waiter)) : NULL;
	struct runtime_peer *copy = calloc(peers->count + 1, sizeof(*copy));

	if (!copy || (done && !waiter)) {
		free(copy);
		free(waiter);
		return -ENOMEM;
	}
	if (peers->count)
		memcpy(copy, peers->peers, peers->count * sizeof(*copy));
	save(keeper, copy, peers->count);
	if (waiter) {
		*waiter = (struct waiter){NULL, keeper->last_number, done, context, request};
		wait_for(keeper, waiter);
	}
	return 0;
}

void keeper_save_config(struct keeper *keeper, char *text, size_t size)
{
	save(keeper, text, size);
}

const struct error *keeper_problem(const struct keeper *keeper)
{
	return keeper->problem.text[0] ? &keeper->problem : NULL;
}

/* Ends the thread when it has written what it has, and writes what is left. */
static void finish(struct keeper *keeper)
{
	struct error error = {};
	int code = 0;

	if (keeper->running) {
		pthread_mutex_lock(&keeper->lock);
		keeper->end = true;
		pthread_cond_signal(&keeper->changed);
		pthread_mutex_unlock(&keeper->lock);
		pthread_join(keeper->thread, NULL);
	}
	if (keeper->done) {
		code = keeper->code;
		error = keeper->error;
	}
	if (keeper->next.filled)
		code = keeper->kind->write(keeper->state, keeper->next.data, keeper->next.count,
					   &error);
	tell(keeper, UINT64_MAX, code, &error);
}

void keeper_close(struct keeper *keeper)
{
	if (!keeper)
		return;
	if (keeper->patience)
		finish(keeper);
	job_free(&keeper->next);
	job_free(&keeper->job);
	if (keeper->woken)
		event_free(keeper->woken);
	if (keeper->retry)
		event_free(keeper->retry);
	if (keeper->patience)
		event_free(keeper->patience);
	if (keeper->wake_fd >= 0)
		close(keeper->wake_fd);
	pthread_cond_destroy(&keeper->changed);
	pthread_mutex_destroy(&keeper->lock);
	free(keeper);
}
