// SPDX-License-Identifier: BSD-2-Clause
#include "agent/saver.h"

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

/* The file as it is to be written. */
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
	saver_done done;
	void *context;
	uint64_t request;
};

struct saver {
	const struct store *store;
	const struct saver_kind *kind;
	saver_report report;
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

static int write_peers(const struct store *store, const void *data, size_t count,
		       struct error *error)
{
	struct moment now;

	moment_now(&now);
	return store_save_peers(store, data, count, &now, error);
}

static int write_config(const struct store *store, const void *data, size_t count,
			struct error *error)
{
	return store_save_config(store, data, count, error);
}

const struct saver_kind saver_of_peers = {"runtime peers", write_peers};
const struct saver_kind saver_of_config = {"the last good configuration", write_config};

static void *write_jobs(void *context)
{
	struct saver *saver = context;
	const uint64_t one = 1;

	privileges_leave(); /* else what the loop gives up later stays here */
	pthread_mutex_lock(&saver->lock);
	for (;;) {
		struct error error = {};
		int code;

		while (!saver->end && (!saver->busy || saver->done))
			pthread_cond_wait(&saver->changed, &saver->lock);
		if (!saver->busy || saver->done)
			break;
		pthread_mutex_unlock(&saver->lock);
		code = saver->kind->write(saver->store, saver->job.data, saver->job.count, &error);
		pthread_mutex_lock(&saver->lock);
		saver->code = code;
		saver->error = error;
		saver->done = true;
		if (write(saver->wake_fd, &one, sizeof(one)) < 0)
			break; /* cannot be: the counter is far from full */
	}
	pthread_mutex_unlock(&saver->lock);
	return NULL;
}

/* Signals are the loop's business. */
static int start_thread(struct saver *saver)
{
	sigset_t all, before;
	int code;

	if (saver->running)
		return 0;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	code = pthread_create(&saver->thread, NULL, write_jobs, saver);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	saver->running = !code;
	return -code;
}

/* Tells those who wait for a job up to that number. */
static void tell(struct saver *saver, uint64_t number, int code, const struct error *error)
{
	while (saver->waiters && saver->waiters->number <= number) {
		struct waiter *waiter = saver->waiters;

		saver->waiters = waiter->next;
		waiter->done(waiter->context, waiter->request, code, error);
		free(waiter);
	}
	if (!saver->waiters)
		event_del(saver->patience);
}

/* The problem as it is now; reports where it begins and where it ends. */
static void note(struct saver *saver, int code, const struct error *error)
{
	const bool failed = saver->problem.text[0];

	saver->problem = code ? *error : (struct error){};
	if (failed != (code != 0))
		saver->report(saver->context, code ? &saver->problem : NULL);
}

static void try_later(struct saver *saver)
{
	const struct timeval pause = {.tv_sec = SAVER_RETRY_S};

	event_add(saver->retry, &pause);
}

/* Hands the next job to the thread if that is free. */
static void give(struct saver *saver)
{
	int code;

	if (!saver->next.filled)
		return;
	pthread_mutex_lock(&saver->lock);
	if (saver->busy) {
		pthread_mutex_unlock(&saver->lock);
		return;
	}
	saver->job = saver->next;
	saver->busy = true;
	saver->next = (struct job){};
	pthread_cond_signal(&saver->changed);
	pthread_mutex_unlock(&saver->lock);
	code = start_thread(saver);
	if (code) {
		struct error error;

		saver->busy = false;
		saver->next = saver->job;
		saver->job = (struct job){};
		error_set(&error, code, "%s cannot be written: %s", saver->kind->what,
			  strerror(-code));
		note(saver, code, &error);
		tell(saver, saver->next.number, code, &error);
		try_later(saver);
	}
}

static void on_woken(evutil_socket_t fd, short events, void *context)
{
	struct saver *saver = context;
	uint64_t times, number;
	struct error error;
	int code;

	(void)events;
	if (read(fd, &times, sizeof(times)) < 0)
		return;
	pthread_mutex_lock(&saver->lock);
	code = saver->code;
	error = saver->error;
	number = saver->job.number;
	if (code && !saver->next.filled) {
		saver->next = saver->job; /* to try again */
		saver->job = (struct job){};
	}
	job_free(&saver->job);
	saver->busy = saver->done = false;
	pthread_mutex_unlock(&saver->lock);
	malloc_trim(0); /* the text of a large configuration leaves megabytes behind */
	note(saver, code, &error);
	if (code && saver->next.number == number)
		try_later(saver);
	else
		give(saver);
	tell(saver, number, code, &error);
}

static void on_retry(evutil_socket_t fd, short events, void *context)
{
	(void)fd, (void)events;
	give(context);
}

static void on_patience(evutil_socket_t fd, short events, void *context)
{
	struct saver *saver = context;
	struct error error;

	(void)fd, (void)events;
	error_set(&error, -ETIMEDOUT, "the disk of the state directory does not answer");
	note(saver, -ETIMEDOUT, &error);
	tell(saver, UINT64_MAX, -ETIMEDOUT, &error);
}

int saver_open(struct event_base *base, const struct store *store, const struct saver_kind *kind,
	       saver_report report, void *context, struct saver **result, struct error *error)
{
	struct saver *saver = calloc(1, sizeof(*saver));

	if (!saver)
		return error_set(error, -ENOMEM, "out of memory");
	saver->store = store;
	saver->kind = kind;
	saver->report = report;
	saver->context = context;
	pthread_mutex_init(&saver->lock, NULL);
	pthread_cond_init(&saver->changed, NULL);
	saver->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	saver->woken = event_new(base, saver->wake_fd, EV_READ | EV_PERSIST, on_woken, saver);
	saver->retry = evtimer_new(base, on_retry, saver);
	saver->patience = evtimer_new(base, on_patience, saver);
	if (saver->wake_fd < 0 || !saver->woken || !saver->retry || !saver->patience ||
	    event_add(saver->woken, NULL)) {
		saver_close(saver);
		return error_set(error, -ENOMEM, "out of memory");
	}
	*result = saver;
	return 0;
}

static void wait_for(struct saver *saver, struct waiter *waiter)
{
	const struct timeval patience = {.tv_sec = SAVER_PATIENCE_S};
	struct waiter **last = &saver->waiters;

	while (*last)
		last = &(*last)->next;
	*last = waiter;
	if (!event_pending(saver->patience, EV_TIMEOUT, NULL))
		event_add(saver->patience, &patience);
}

/* From the loop, so that nobody is told before the caller returns. */
static void save(struct saver *saver, void *data, size_t count)
{
	job_free(&saver->next);
	saver->next = (struct job){data, count, ++saver->last_number, true};
	event_active(saver->retry, EV_TIMEOUT, 0);
}

int saver_save(struct saver *saver, const struct peer_list *peers, saver_done done, void *context,
	       uint64_t request)
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
	save(saver, copy, peers->count);
	if (waiter) {
		*waiter = (struct waiter){NULL, saver->last_number, done, context, request};
		wait_for(saver, waiter);
	}
	return 0;
}

void saver_save_config(struct saver *saver, char *text, size_t size)
{
	save(saver, text, size);
}

const struct error *saver_problem(const struct saver *saver)
{
	return saver->problem.text[0] ? &saver->problem : NULL;
}

/* Ends the thread when it has written what it has, and writes what is left. */
static void finish(struct saver *saver)
{
	struct error error = {};
	int code = 0;

	if (saver->running) {
		pthread_mutex_lock(&saver->lock);
		saver->end = true;
		pthread_cond_signal(&saver->changed);
		pthread_mutex_unlock(&saver->lock);
		pthread_join(saver->thread, NULL);
	}
	if (saver->done) {
		code = saver->code;
		error = saver->error;
	}
	if (saver->next.filled)
		code = saver->kind->write(saver->store, saver->next.data, saver->next.count,
					  &error);
	tell(saver, UINT64_MAX, code, &error);
}

void saver_close(struct saver *saver)
{
	if (!saver)
		return;
	if (saver->patience)
		finish(saver);
	job_free(&saver->next);
	job_free(&saver->job);
	if (saver->woken)
		event_free(saver->woken);
	if (saver->retry)
		event_free(saver->retry);
	if (saver->patience)
		event_free(saver->patience);
	if (saver->wake_fd >= 0)
		close(saver->wake_fd);
	pthread_cond_destroy(&saver->changed);
	pthread_mutex_destroy(&saver->lock);
	free(saver);
}
