/* System calls that fail on purpose, below SQLite: built by `durability/system.py`, and loaded with
 * LD_PRELOAD into the process that is tested.
 *
 * fault_arm(folder, kind, at, error, every): from now on the `at`-th call of a kind on a file below
 * `folder` fails with `error`, and with `every` all that follow it too. `kind` is a bit mask, so
 * that a disk may fail for all of them. fault_hits: how many calls have failed. fault_seen: how
 * many of the kind were made. fault_disarm ends it. One thread at a time may arm.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum { OPEN = 1, WRITE = 2, SYNC = 4, TRUNCATE = 8, READ = 16, UNLINK = 32 };

static char below[PATH_MAX];
static int armed, kinds, first, failure, forever, seen, hits;

void fault_arm(const char *folder, int kind, int at, int error, int every) {
    strncpy(below, folder, sizeof below - 1);
    kinds = kind, first = at, failure = error, forever = every, seen = hits = 0, armed = 1;
}
void fault_disarm(void) { armed = 0; }
int fault_hits(void) { return hits; }
int fault_seen(void) { return seen; }

static int fails(int kind, const char *path) {
    if (!armed || !(kinds & kind) || strncmp(path, below, strlen(below)) != 0) return 0;
    seen++;
    if (seen != first && !(forever && seen > first)) return 0;
    hits++;
    errno = failure;
    return 1;
}

static int fails_at(int kind, int handle) {
    char link[64], path[PATH_MAX];
    if (!armed || !(kinds & kind)) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", handle);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return fails(kind, path);
}

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
#define MODE(flags) \
    mode_t mode = 0; \
    if (((flags) & O_CREAT) || ((flags) & O_TMPFILE) == O_TMPFILE) { \
        va_list more; va_start(more, flags); mode = va_arg(more, int); va_end(more); \
    }

int open(const char *path, int flags, ...) {
    REAL(open); MODE(flags);
    return fails(OPEN, path) ? -1 : real(path, flags, mode);
}
int open64(const char *path, int flags, ...) {
    REAL(open64); MODE(flags);
    return fails(OPEN, path) ? -1 : real(path, flags, mode);
}
ssize_t write(int handle, const void *data, size_t size) {
    REAL(write);
    return fails_at(WRITE, handle) ? -1 : real(handle, data, size);
}
/* A write that fails has written half of it before: a torn page. */
ssize_t pwrite(int handle, const void *data, size_t size, off_t at) {
    REAL(pwrite);
    if (!fails_at(WRITE, handle)) return real(handle, data, size, at);
    int error = errno;
    real(handle, data, size / 2, at);
    return errno = error, -1;
}
ssize_t pwrite64(int handle, const void *data, size_t size, off64_t at) {
    REAL(pwrite64);
    if (!fails_at(WRITE, handle)) return real(handle, data, size, at);
    int error = errno;
    real(handle, data, size / 2, at);
    return errno = error, -1;
}
ssize_t pread(int handle, void *data, size_t size, off_t at) {
    REAL(pread);
    return fails_at(READ, handle) ? -1 : real(handle, data, size, at);
}
ssize_t pread64(int handle, void *data, size_t size, off64_t at) {
    REAL(pread64);
    return fails_at(READ, handle) ? -1 : real(handle, data, size, at);
}
int fsync(int handle) {
    REAL(fsync);
    return fails_at(SYNC, handle) ? -1 : real(handle);
}
int fdatasync(int handle) {
    REAL(fdatasync);
    return fails_at(SYNC, handle) ? -1 : real(handle);
}
int ftruncate(int handle, off_t size) {
    REAL(ftruncate);
    return fails_at(TRUNCATE, handle) ? -1 : real(handle, size);
}
int ftruncate64(int handle, off64_t size) {
    REAL(ftruncate64);
    return fails_at(TRUNCATE, handle) ? -1 : real(handle, size);
}
int unlink(const char *path) {
    REAL(unlink);
    return fails(UNLINK, path) ? -1 : real(path);
}
