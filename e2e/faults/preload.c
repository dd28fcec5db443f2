/* Stands between `authmachine` and the C library (LD_PRELOAD), for tests: tells what is written to one folder and when it is
 * synced, lets its disk be full or fail, and moves the clock.
 *
 *   FAULTS_FOLDER   the folder, as the kernel names it
 *   FAULTS_CONTROL  a file of 64-bit numbers that a test changes while this runs: `struct control`
 *   FAULTS_LOG      if set, a file that grows by a `struct entry` and its bytes for each operation, in their order
 *
 * One lock holds an operation and its entry together, so the order of the entries is that of the operations. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

struct control {
    int64_t clock_ms;   /* added to the time of day */
    int64_t is_full;    /* 1: no file may grow; 2: nothing may be written (ENOSPC) */
    int64_t fail_syncs; /* so many syncs to come fail (EIO) */
    int64_t refused;    /* counts what failed by these */
};

enum kind { OPEN = 1, MAKE, WRITE, TRUNCATE, SYNC, FAILED_SYNC, SYNC_FOLDER, UNLINK, RENAME, LINK, MAKE_FOLDER };

struct entry {
    uint32_t kind, file;
    int64_t offset; /* of a write; the size of a truncation */
    uint64_t length; /* of the bytes that follow: what is written, or a path, or two with a 0 between them */
};

#define MAX_FDS 4096
#define MAX_FILES 4096
enum { NOT_OURS, A_FILE, A_FOLDER };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct control nothing, *control = &nothing;
static char folder[4096];
static size_t folder_length;
static int log_fd = -1;
/* What each descriptor is, and the file's number. */
static struct { int what; uint32_t file; } fds[MAX_FDS];
/* Numbers by inode, as long as a name leads there: an inode is used again. */
static struct { ino_t inode; int is_there; } files[MAX_FILES];
static uint32_t file_count;

#define REAL(name) (__typeof__(&name))real(#name)
static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

static void begin(void) {
    const char *path = getenv("FAULTS_FOLDER");
    if (path) folder_length = strlen(strncpy(folder, path, sizeof folder - 1));
    if ((path = getenv("FAULTS_CONTROL"))) {
        int fd = syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
        void *mapped = mmap(0, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (mapped == MAP_FAILED) abort();
        control = mapped;
        syscall(SYS_close, fd);
    }
    if ((path = getenv("FAULTS_LOG"))) {
        int fd = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
        log_fd = syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 1000);
        if (log_fd < 0) abort();
        syscall(SYS_close, fd);
    }
}

static void enter(void) {
    pthread_once(&once, begin);
    pthread_mutex_lock(&lock);
}

static void leave(void) {
    int kept = errno;
    pthread_mutex_unlock(&lock);
    errno = kept;
}

static void tell(enum kind kind, uint32_t file, int64_t offset, const void *bytes, size_t length) {
    if (log_fd < 0) return;
    struct entry entry = { kind, file, offset, length };
    struct iovec parts[] = { { &entry, sizeof entry }, { (void *)bytes, length } };
    if (syscall(SYS_writev, log_fd, parts, 2) != (long)(sizeof entry + length)) abort();
}

static int is_inside(const char *path) {
    return folder_length && !strncmp(path, folder, folder_length) && (!path[folder_length] || path[folder_length] == '/');
}

/* The full path of `path`, if it is ours. */
static int find(int at, const char *path, char *full) {
    char base[4096] = "";
    if (path[0] != '/') {
        char link[64];
        if (at == AT_FDCWD) strcpy(link, "/proc/self/cwd");
        else snprintf(link, sizeof link, "/proc/self/fd/%d", at);
        ssize_t length = readlink(link, base, sizeof base - 1);
        if (length < 0) return 0;
        base[length] = 0;
        while (!strncmp(path, "./", 2)) path += 2;
    }
    return snprintf(full, 4096, "%s%s%s", base, base[0] ? "/" : "", path) < 4096 && is_inside(full);
}

static uint32_t number_of(ino_t inode, int *is_new) {
    for (uint32_t n = 0; n < file_count; n++)
        if (files[n].is_there && files[n].inode == inode) return *is_new = 0, n;
    if (file_count == MAX_FILES) abort();
    files[file_count].inode = inode;
    files[file_count].is_there = 1;
    return *is_new = 1, file_count++;
}

static void forget(const char *path) {
    struct stat about;
    if (stat(path, &about) || about.st_nlink > 1) return;
    for (uint32_t n = 0; n < file_count; n++)
        if (files[n].inode == about.st_ino) files[n].is_there = 0;
}

static int refuse(int error) {
    control->refused++;
    errno = error;
    return -1;
}

static int open_at(int at, const char *path, int flags, mode_t mode) {
    char full[4096];
    enter();
    int is_ours = find(at, path, full);
    struct stat about;
    int was_there = is_ours && !stat(full, &about);
    int fd = syscall(SYS_openat, at, path, flags | O_LARGEFILE, mode);
    if (fd >= 0 && fd < MAX_FDS) fds[fd].what = NOT_OURS;
    if (fd >= 0 && fd < MAX_FDS && is_ours && !fstat(fd, &about)) {
        if (S_ISDIR(about.st_mode)) fds[fd].what = A_FOLDER;
        else if (S_ISREG(about.st_mode)) {
            int is_new;
            fds[fd].what = A_FILE;
            fds[fd].file = number_of(about.st_ino, &is_new);
            if (is_new) tell(was_there ? OPEN : MAKE, fds[fd].file, 0, full, strlen(full));
            if (flags & O_TRUNC) tell(TRUNCATE, fds[fd].file, 0, 0, 0);
        }
    }
    leave();
    return fd;
}

static mode_t mode_of(int flags, va_list rest) {
    return flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, int) : 0;
}
#define OPENS(name, at, ...) \
    int name(__VA_ARGS__, int flags, ...) { \
        va_list rest; \
        va_start(rest, flags); \
        mode_t mode = mode_of(flags, rest); \
        va_end(rest); \
        return open_at(at, path, flags, mode); \
    }
OPENS(open, AT_FDCWD, const char *path)
OPENS(open64, AT_FDCWD, const char *path)
OPENS(openat, at, int at, const char *path)
OPENS(openat64, at, int at, const char *path)

int close(int fd) {
    enter();
    if (fd >= 0 && fd < MAX_FDS) fds[fd].what = NOT_OURS;
    int result = syscall(SYS_close, fd);
    leave();
    return result;
}

static int is_file(int fd) { return fd >= 0 && fd < MAX_FDS && fds[fd].what == A_FILE; }

/* One write; `at` is -1 for the descriptor's own place. */
static ssize_t write_at(int fd, const void *bytes, size_t length, int64_t at) {
    struct stat about;
    int64_t offset = at >= 0 ? at : lseek(fd, 0, SEEK_CUR);
    if (fstat(fd, &about)) return -1;
    if (control->is_full == 2) return refuse(ENOSPC);
    if (control->is_full == 1 && offset + (int64_t)length > about.st_size) {
        if (offset >= about.st_size) return refuse(ENOSPC);
        length = about.st_size - offset;
    }
    ssize_t written = at >= 0 ? syscall(SYS_pwrite64, fd, bytes, length, at) : syscall(SYS_write, fd, bytes, length);
    if (written > 0) tell(WRITE, fds[fd].file, offset, bytes, written);
    return written;
}

ssize_t write(int fd, const void *bytes, size_t length) {
    if (!is_file(fd)) return syscall(SYS_write, fd, bytes, length);
    enter();
    ssize_t written = write_at(fd, bytes, length, -1);
    leave();
    return written;
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t at) {
    if (!is_file(fd)) return syscall(SYS_pwrite64, fd, bytes, length, at);
    enter();
    ssize_t written = write_at(fd, bytes, length, at);
    leave();
    return written;
}
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at) { return pwrite64(fd, bytes, length, at); }

/* A short write is a legal one: the caller goes on with the rest. */
ssize_t writev(int fd, const struct iovec *parts, int count) {
    if (!is_file(fd)) return syscall(SYS_writev, fd, parts, count);
    return count > 0 ? write(fd, parts[0].iov_base, parts[0].iov_len) : 0;
}
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t at) {
    if (!is_file(fd)) return syscall(SYS_pwritev, fd, parts, count, at, 0);
    return count > 0 ? pwrite64(fd, parts[0].iov_base, parts[0].iov_len, at) : 0;
}
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at) { return pwritev64(fd, parts, count, at); }

int ftruncate64(int fd, off64_t size) {
    enter();
    int result = syscall(SYS_ftruncate, fd, size);
    if (!result && is_file(fd)) tell(TRUNCATE, fds[fd].file, size, 0, 0);
    leave();
    return result;
}
int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

static int sync_of(int fd, long number) {
    if (fd < 0 || fd >= MAX_FDS || fds[fd].what == NOT_OURS) return syscall(number, fd);
    enter();
    int result;
    char link[64], path[4096];
    if (fds[fd].what == A_FILE && control->fail_syncs > 0) {
        control->fail_syncs--;
        tell(FAILED_SYNC, fds[fd].file, 0, 0, 0);
        result = refuse(EIO);
    } else if (fds[fd].what == A_FILE) {
        result = syscall(number, fd);
        if (!result) tell(SYNC, fds[fd].file, 0, 0, 0);
    } else {
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t length = readlink(link, path, sizeof path);
        result = syscall(number, fd);
        if (!result && length > 0) tell(SYNC_FOLDER, 0, 0, path, length);
    }
    leave();
    return result;
}
int fsync(int fd) { return sync_of(fd, SYS_fsync); }
int fdatasync(int fd) { return sync_of(fd, SYS_fdatasync); }

static int unlink_at(int at, const char *path, int flags) {
    char full[4096];
    enter();
    int is_ours = find(at, path, full);
    if (is_ours) forget(full);
    int result = syscall(SYS_unlinkat, at, path, flags);
    if (!result && is_ours) tell(UNLINK, 0, 0, full, strlen(full));
    leave();
    return result;
}
int unlink(const char *path) { return unlink_at(AT_FDCWD, path, 0); }
int unlinkat(int at, const char *path, int flags) { return unlink_at(at, path, flags); }

static int two(enum kind kind, int from_at, const char *from, int to_at, const char *to, int flags) {
    char both[8192];
    enter();
    int is_ours = find(from_at, from, both);
    size_t length = strlen(both);
    is_ours = is_ours && find(to_at, to, both + length + 1);
    if (is_ours && kind == RENAME) forget(both + length + 1);
    int result = kind == RENAME ? syscall(SYS_renameat2, from_at, from, to_at, to, flags)
                                : syscall(SYS_linkat, from_at, from, to_at, to, flags);
    if (!result && is_ours) tell(kind, 0, 0, both, length + 1 + strlen(both + length + 1));
    leave();
    return result;
}
int rename(const char *from, const char *to) { return two(RENAME, AT_FDCWD, from, AT_FDCWD, to, 0); }
int link(const char *from, const char *to) { return two(LINK, AT_FDCWD, from, AT_FDCWD, to, 0); }
int linkat(int from_at, const char *from, int to_at, const char *to, int flags) {
    return two(LINK, from_at, from, to_at, to, flags);
}

int mkdir(const char *path, mode_t mode) {
    char full[4096];
    enter();
    int is_ours = find(AT_FDCWD, path, full);
    int result = syscall(SYS_mkdirat, AT_FDCWD, path, mode);
    if (!result && is_ours) tell(MAKE_FOLDER, 0, 0, full, strlen(full));
    leave();
    return result;
}

int clock_gettime(clockid_t which, struct timespec *now) {
    static __typeof__(&clock_gettime) original;
    if (!original) original = REAL(clock_gettime);
    int result = original(which, now);
    if (!result && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE)) {
        pthread_once(&once, begin);
        int64_t ms = control->clock_ms;
        now->tv_sec += ms / 1000;
        now->tv_nsec += ms % 1000 * 1000000;
        if (now->tv_nsec >= 1000000000) now->tv_sec++, now->tv_nsec -= 1000000000;
        if (now->tv_nsec < 0) now->tv_sec--, now->tv_nsec += 1000000000;
    }
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec precise;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &precise);
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *into) {
    struct timespec precise;
    clock_gettime(CLOCK_REALTIME, &precise);
    if (into) *into = precise.tv_sec;
    return precise.tv_sec;
}
