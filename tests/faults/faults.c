// SPDX-License-Identifier: BSD-2-Clause
/*
 * Preloaded into a program: fails one of its allocations, or of its calls to the C library that
 * reach the kernel. BEAMFENCE_FAULTS names a file that is mapped by program and test alike: the
 * test says there which one is to fail, at the start or while the program runs, and reads what came
 * of it. Only calls by a new way, that is with a call stack not seen since it was armed, are
 * counted.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/types.h>
#include <sys/vfs.h>
#include <unistd.h>

#define DEPTH	   16 /* of a call stack */
#define STACKS_MAX 16384

enum kind { ALLOCATION = 1, SYSTEM_CALL = 2 };

/* tests/system/kit/faults.py has the same. */
struct orders {
	uint32_t kinds;	 /* of what is counted, as bits 1 << kind; 0: nothing */
	uint32_t at;	 /* the number of the one that fails, from 1; 0: none */
	uint32_t error;	 /* errno of a system call that fails */
	uint32_t round;	 /* raised by the test each time that it gives orders */
	uint32_t count;	 /* ways so far in this round */
	uint32_t failed; /* calls that failed */
};

static struct orders *orders;
static uint32_t stacks[STACKS_MAX], round_seen;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static __thread bool within
	__attribute__((tls_model("initial-exec"))); /* what happens here meanwhile is not counted */

static void start(void) __attribute__((constructor));

static void start(void)
{
	const char *path = getenv("BEAMFENCE_FAULTS");
	void *frames[DEPTH], *memory;
	int fd;

	within = true;
	backtrace(frames, DEPTH); /* allocates at first */
	fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	memory = fd < 0 ? MAP_FAILED
			: mmap(NULL, sizeof(*orders), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (fd >= 0)
		close(fd);
	within = false;
	if (memory != MAP_FAILED)
		orders = memory;
}

/* Whether this call stack is a new one. */
static bool is_new(void)
{
	void *frames[DEPTH];
	const int depth = backtrace(frames, DEPTH);
	uint32_t hash = 2166136261u, place;

	for (int i = 2; i < depth; i++)
		hash = (hash ^ (uint32_t)((uintptr_t)frames[i] >> 1)) * 16777619u;
	hash |= 1;
	for (place = hash % STACKS_MAX; stacks[place]; place = (place + 1) % STACKS_MAX)
		if (stacks[place] == hash)
			return false;
	if (orders->count < STACKS_MAX / 2)
		stacks[place] = hash;
	return true;
}

/* For whoever looks into a finding: what failed. */
static void tell(void)
{
	void *frames[DEPTH];

	backtrace_symbols_fd(frames, backtrace(frames, DEPTH), STDERR_FILENO);
}

/* Whether this call has to fail; then errno is set. */
static bool fails(enum kind kind)
{
	bool fail = false;
	const int saved = errno;

	if (!orders || within || !(orders->kinds & 1u << kind))
		return false;
	within = true;
	pthread_mutex_lock(&lock);
	if (round_seen != orders->round) {
		memset(stacks, 0, sizeof(stacks));
		round_seen = orders->round;
	}
	if (is_new())
		fail = ++orders->count == orders->at;
	orders->failed += fail;
	if (fail && getenv("BEAMFENCE_FAULTS_TELL"))
		tell();
	pthread_mutex_unlock(&lock);
	within = false;
	errno = !fail ? saved : kind == ALLOCATION ? ENOMEM : (int)orders->error;
	return fail;
}

static void *next(const char *name)
{
	const bool before = within;
	void *found;

	within = true; /* dlsym() may allocate */
	found = dlsym(RTLD_NEXT, name);
	within = before;
	return found;
}

/* dlsym() itself asks for memory before there is a next calloc(). */
static void *early(size_t size)
{
	static char room[4096] __attribute__((aligned(16)));
	static size_t used;
	void *memory = room + used;

	used += (size + 15) & ~(size_t)15;
	if (used > sizeof(room))
		abort();
	return memory;
}

#define WRAP(kind, failure, result, name, parameters, arguments) \
	result name parameters                                   \
	{                                                        \
		static result(*real) parameters;                 \
                                                                 \
		if (!real)                                       \
			real = next(#name);                      \
		return fails(kind) ? (failure) : real arguments; \
	}
#define ALLOCATES(result, name, parameters, arguments) \
	WRAP(ALLOCATION, NULL, result, name, parameters, arguments)
#define CALLS(result, name, parameters, arguments) \
	WRAP(SYSTEM_CALL, -1, result, name, parameters, arguments)

ALLOCATES(void *, malloc, (size_t size), (size))
ALLOCATES(void *, realloc, (void *old, size_t size), (old, size))
ALLOCATES(void *, reallocarray, (void *old, size_t count, size_t size), (old, count, size))
ALLOCATES(char *, strdup, (const char *text), (text))
ALLOCATES(char *, strndup, (const char *text, size_t size), (text, size))
ALLOCATES(FILE *, open_memstream, (char **text, size_t *size), (text, size))
ALLOCATES(void *, aligned_alloc, (size_t alignment, size_t size), (alignment, size))

void *calloc(size_t count, size_t size)
{
	static void *(*real)(size_t, size_t);
	static bool asking;

	if (!real) {
		if (asking)
			return early(count * size);
		asking = true;
		real = next("calloc");
	}
	return fails(ALLOCATION) ? NULL : real(count, size);
}

int vasprintf(char **text, const char *format, va_list arguments)
{
	static int (*real)(char **, const char *, va_list);

	if (!real)
		real = next("vasprintf");
	return fails(ALLOCATION) ? -1 : real(text, format, arguments);
}

int asprintf(char **text, const char *format, ...)
{
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vasprintf(text, format, arguments);
	va_end(arguments);
	return length;
}

/* With a mode or without: one that is not read does no harm. */
#define OPENS(name)                                                       \
	int name(const char *path, int flags, ...)                        \
	{                                                                 \
		static int (*real)(const char *, int, ...);               \
		va_list more;                                             \
		mode_t mode;                                              \
                                                                          \
		va_start(more, flags);                                    \
		mode = va_arg(more, mode_t);                              \
		va_end(more);                                             \
		if (!real)                                                \
			real = next(#name);                               \
		return fails(SYSTEM_CALL) ? -1 : real(path, flags, mode); \
	}
#define OPENS_AT(name)                                                               \
	int name(int directory, const char *path, int flags, ...)                    \
	{                                                                            \
		static int (*real)(int, const char *, int, ...);                     \
		va_list more;                                                        \
		mode_t mode;                                                         \
                                                                                     \
		va_start(more, flags);                                               \
		mode = va_arg(more, mode_t);                                         \
		va_end(more);                                                        \
		if (!real)                                                           \
			real = next(#name);                                          \
		return fails(SYSTEM_CALL) ? -1 : real(directory, path, flags, mode); \
	}

OPENS(open)
OPENS(open64)
OPENS_AT(openat)
OPENS_AT(openat64)

int ioctl(int fd, unsigned long number, ...)
{
	static int (*real)(int, unsigned long, void *);
	va_list more;
	void *argument;

	va_start(more, number);
	argument = va_arg(more, void *);
	va_end(more);
	if (!real)
		real = next("ioctl");
	return fails(SYSTEM_CALL) ? -1 : real(fd, number, argument);
}

/* bpf(2), and what else has no function. */
long syscall(long number, ...)
{
	static long (*real)(long, long, long, long, long, long, long);
	long of[6];
	va_list more;

	va_start(more, number);
	for (int i = 0; i < 6; i++)
		of[i] = va_arg(more, long);
	va_end(more);
	if (!real)
		real = next("syscall");
	return fails(SYSTEM_CALL) ? -1 : real(number, of[0], of[1], of[2], of[3], of[4], of[5]);
}

CALLS(ssize_t, read, (int fd, void *to, size_t size), (fd, to, size))
CALLS(ssize_t, pread, (int fd, void *to, size_t size, off_t at), (fd, to, size, at))
CALLS(ssize_t, write, (int fd, const void *from, size_t size), (fd, from, size))
CALLS(ssize_t, readv, (int fd, const struct iovec *to, int count), (fd, to, count))
CALLS(ssize_t, writev, (int fd, const struct iovec *from, int count), (fd, from, count))
CALLS(ssize_t, readlink, (const char *path, char *to, size_t size), (path, to, size))
CALLS(ssize_t, recv, (int fd, void *to, size_t size, int flags), (fd, to, size, flags))
CALLS(ssize_t, recvmsg, (int fd, struct msghdr *message, int flags), (fd, message, flags))
CALLS(ssize_t, send, (int fd, const void *from, size_t size, int flags), (fd, from, size, flags))
CALLS(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags), (fd, message, flags))
CALLS(ssize_t, sendto,
      (int fd, const void *from, size_t size, int flags, __CONST_SOCKADDR_ARG to, socklen_t room),
      (fd, from, size, flags, to, room))
CALLS(int, socket, (int domain, int type, int protocol), (domain, type, protocol))
CALLS(int, bind, (int fd, __CONST_SOCKADDR_ARG address, socklen_t size), (fd, address, size))
CALLS(int, listen, (int fd, int backlog), (fd, backlog))
CALLS(int, connect, (int fd, __CONST_SOCKADDR_ARG address, socklen_t size), (fd, address, size))
CALLS(int, accept4, (int fd, __SOCKADDR_ARG address, socklen_t *size, int flags),
      (fd, address, size, flags))
CALLS(int, getsockopt, (int fd, int level, int name, void *value, socklen_t *size),
      (fd, level, name, value, size))
CALLS(int, setsockopt, (int fd, int level, int name, const void *value, socklen_t size),
      (fd, level, name, value, size))
CALLS(int, getsockname, (int fd, __SOCKADDR_ARG address, socklen_t *size), (fd, address, size))
CALLS(int, fstat, (int fd, struct stat *status), (fd, status))
CALLS(int, stat, (const char *path, struct stat *status), (path, status))
CALLS(int, lstat, (const char *path, struct stat *status), (path, status))
CALLS(int, fsync, (int fd), (fd))
CALLS(int, flock, (int fd, int operation), (fd, operation))
CALLS(int, chmod, (const char *path, mode_t mode), (path, mode))
CALLS(int, fchmod, (int fd, mode_t mode), (fd, mode))
CALLS(int, chown, (const char *path, uid_t user, gid_t group), (path, user, group))
CALLS(int, mkdir, (const char *path, mode_t mode), (path, mode))
CALLS(int, rmdir, (const char *path), (path))
CALLS(int, unlink, (const char *path), (path))
CALLS(int, rename, (const char *from, const char *to), (from, to))
CALLS(int, renameat, (int from_in, const char *from, int to_in, const char *to),
      (from_in, from, to_in, to))
CALLS(int, unlinkat, (int directory, const char *path, int flags), (directory, path, flags))
CALLS(int, fstatfs, (int fd, struct statfs *status), (fd, status))
CALLS(int, access, (const char *path, int mode), (path, mode))
CALLS(int, dup, (int fd), (fd))
CALLS(int, timerfd_create, (int clock, int flags), (clock, flags))
CALLS(int, timerfd_settime,
      (int fd, int flags, const struct itimerspec *value, struct itimerspec *before),
      (fd, flags, value, before))
CALLS(int, pipe2, (int fds[2], int flags), (fds, flags))
CALLS(int, eventfd, (unsigned int first, int flags), (first, flags))
CALLS(int, epoll_create1, (int flags), (flags))
CALLS(int, epoll_ctl, (int epoll, int operation, int fd, struct epoll_event *event),
      (epoll, operation, fd, event))
WRAP(SYSTEM_CALL, MAP_FAILED, void *, mmap,
     (void *at, size_t size, int protection, int flags, int fd, off_t offset),
     (at, size, protection, flags, fd, offset))
WRAP(SYSTEM_CALL, NULL, FILE *, fopen, (const char *path, const char *mode), (path, mode))
WRAP(SYSTEM_CALL, NULL, DIR *, opendir, (const char *path), (path))
WRAP(SYSTEM_CALL, NULL, FILE *, fdopen, (int fd, const char *mode), (fd, mode))
