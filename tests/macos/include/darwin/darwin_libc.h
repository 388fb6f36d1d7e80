/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_MACOS_DARWIN_LIBC_H
#define TESTS_MACOS_DARWIN_LIBC_H

/*
 * Declarations of our own of the C library that a Mac has, as far as gangway uses it: POSIX's, and those
 * of Apple's published Libc, libpthread and xnu. Sources are checked against them, nothing is linked, so
 * what a structure holds besides the members named by POSIX does not matter.
 */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef long ssize_t;
typedef int64_t off_t;
typedef int pid_t;
typedef uint32_t uid_t, gid_t, mode_t;
typedef int32_t dev_t;
typedef uint64_t ino_t;
typedef long time_t;
typedef uint32_t useconds_t, socklen_t;
typedef uint8_t sa_family_t;

/* errno.h: the numbers are Darwin's */
extern int *__error(void);
#define errno (*__error())
enum {
	EPERM = 1, ENOENT = 2, EINTR = 4, EIO = 5, ENXIO = 6, E2BIG = 7, EBADF = 9, ECHILD = 10,
	ENOMEM = 12, EACCES = 13, EFAULT = 14, EBUSY = 16, EEXIST = 17, EXDEV = 18, ENODEV = 19,
	ENOTDIR = 20, EISDIR = 21, EINVAL = 22, ENFILE = 23, EMFILE = 24, ENOTTY = 25, EFBIG = 27,
	ENOSPC = 28, ESPIPE = 29, EROFS = 30, EPIPE = 32, EDOM = 33, ERANGE = 34, EAGAIN = 35,
	EINPROGRESS = 36, ENOTSOCK = 38, EMSGSIZE = 40, EPROTONOSUPPORT = 43, ENOTSUP = 45,
	EADDRINUSE = 48, EADDRNOTAVAIL = 49, ECONNABORTED = 53, ECONNRESET = 54, ENOBUFS = 55,
	ENOTCONN = 57, ESHUTDOWN = 58, ETIMEDOUT = 60, ECONNREFUSED = 61, ELOOP = 62, ENAMETOOLONG = 63,
	ENOTEMPTY = 66, ENOSYS = 78, EOVERFLOW = 84, ECANCELED = 89, ESTALE = 70, ETIME = 101, ENODATA = 96, EBADMSG = 94, EMULTIHOP = 95,
	ENOLINK = 97, EPROTO = 100, EOPNOTSUPP = 102, EMLINK = 31, EALREADY = 37,
};
#define EWOULDBLOCK EAGAIN

/* stdlib.h, string.h, ctype.h, assert.h */
void *malloc(size_t size);
void *calloc(size_t n, size_t size);
void *realloc(void *p, size_t size);
void *aligned_alloc(size_t align, size_t size);
void free(void *p);
void abort(void) __attribute__((noreturn));
void exit(int code) __attribute__((noreturn));
char *getenv(const char *name);
unsigned long strtoul(const char *s, char **end, int base);
unsigned long long strtoull(const char *s, char **end, int base);
long strtol(const char *s, char **end, int base);
void qsort(void *base, size_t n, size_t size, int (*cmp)(const void *a, const void *b));
void *bsearch(const void *key, const void *base, size_t n, size_t size,
	      int (*cmp)(const void *a, const void *b));
int mkstemp(char *template);
char *mkdtemp(char *template);
char *realpath(const char *path, char *resolved);
void arc4random_buf(void *buf, size_t size);
void *memcpy(void *to, const void *from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
void *memchr(const void *s, int c, size_t n);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t n);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
int strcasecmp(const char *a, const char *b);
char *strchr(const char *s, int c);
char *strrchr(const char *s, int c);
char *strstr(const char *s, const char *what);
char *strcpy(char *to, const char *from);
char *strncpy(char *to, const char *from, size_t n);
char *strcat(char *to, const char *from);
char *strdup(const char *s);
char *strndup(const char *s, size_t n);
char *strerror(int err);
char *strsep(char **s, const char *set);
char *strtok_r(char *s, const char *set, char **at);
size_t strspn(const char *s, const char *set);
size_t strcspn(const char *s, const char *set);
char *strpbrk(const char *s, const char *set);
int isdigit(int c);
int isxdigit(int c);
int isalnum(int c);
int isspace(int c);
int isprint(int c);
int tolower(int c);
int toupper(int c);
void __assert_rtn(const char *func, const char *file, int line, const char *what)
	__attribute__((noreturn));
#define assert(e) ((e) ? (void)0 : __assert_rtn(__func__, __FILE__, __LINE__, #e))
#define static_assert _Static_assert

/* stdio.h */
typedef struct __sFILE FILE;
extern FILE *__stdinp, *__stdoutp, *__stderrp;
#define stdin __stdinp
#define stdout __stdoutp
#define stderr __stderrp
int printf(const char *f, ...) __attribute__((format(printf, 1, 2)));
int fprintf(FILE *to, const char *f, ...) __attribute__((format(printf, 2, 3)));
int snprintf(char *to, size_t n, const char *f, ...) __attribute__((format(printf, 3, 4)));
int vsnprintf(char *to, size_t n, const char *f, va_list ap);
int vfprintf(FILE *to, const char *f, va_list ap);
int sscanf(const char *s, const char *f, ...) __attribute__((format(scanf, 2, 3)));
int fscanf(FILE *from, const char *f, ...) __attribute__((format(scanf, 2, 3)));
int vasprintf(char **to, const char *f, va_list ap);
int asprintf(char **to, const char *f, ...) __attribute__((format(printf, 2, 3)));
int puts(const char *s);
int fputs(const char *s, FILE *to);
int fputc(int c, FILE *to);
int putchar(int c);
int putc(int c, FILE *to);
FILE *fopen(const char *path, const char *mode);
FILE *fdopen(int fd, const char *mode);
char *fgets(char *s, int n, FILE *from);
size_t fread(void *p, size_t size, size_t n, FILE *from);
size_t fwrite(const void *p, size_t size, size_t n, FILE *to);
int fflush(FILE *f);
int fclose(FILE *f);
int ferror(FILE *f);
ssize_t getline(char **line, size_t *n, FILE *from);
FILE *open_memstream(char **buf, size_t *size);

/* unistd.h, fcntl.h, sys/stat.h */
enum { STDIN_FILENO = 0, STDOUT_FILENO = 1, STDERR_FILENO = 2 };
enum { _SC_PAGESIZE = 29, _SC_NPROCESSORS_ONLN = 58, _SC_OPEN_MAX = 5 };
long sysconf(int name);
int close(int fd);
ssize_t read(int fd, void *buf, size_t n);
ssize_t write(int fd, const void *buf, size_t n);
ssize_t pread(int fd, void *buf, size_t n, off_t off);
ssize_t pwrite(int fd, const void *buf, size_t n, off_t off);
int pipe(int fd[2]);
int dup(int fd);
int dup2(int from, int to);
int ftruncate(int fd, off_t size);
off_t lseek(int fd, off_t off, int whence);
int unlink(const char *path);
int link(const char *from, const char *to);
int rmdir(const char *path);
int access(const char *path, int mode);
ssize_t readlink(const char *path, char *buf, size_t n);
pid_t getpid(void);
pid_t fork(void);
uid_t getuid(void);
uid_t geteuid(void);
int isatty(int fd);
int usleep(useconds_t us);
void _exit(int code) __attribute__((noreturn));
int execv(const char *path, char *const argv[]);
int execvp(const char *path, char *const argv[]);
enum {
	O_RDONLY = 0, O_ACCMODE = 3, O_WRONLY = 1, O_RDWR = 2, O_NONBLOCK = 4, O_NOFOLLOW = 0x100, O_CREAT = 0x200,
	O_TRUNC = 0x400, O_EXCL = 0x800, O_NOCTTY = 0x20000, O_DIRECTORY = 0x100000, O_CLOEXEC = 0x1000000,
	F_GETFD = 1, F_SETFD = 2, F_GETFL = 3, F_SETFL = 4, F_DUPFD = 0, F_DUPFD_CLOEXEC = 67,
	AT_FDCWD = -2, FD_CLOEXEC = 1, R_OK = 4, W_OK = 2, X_OK = 1, F_OK = 0, SEEK_SET = 0, SEEK_CUR = 1, SEEK_END = 2,
};
int open(const char *path, int flags, ...);
int openat(int dir, const char *path, int flags, ...);
int fcntl(int fd, int cmd, ...);
struct stat {
	dev_t st_dev, st_rdev;
	ino_t st_ino;
	mode_t st_mode;
	uid_t st_uid;
	off_t st_size;
	int32_t st_blksize;
	uint16_t st_nlink;
};
int stat(const char *path, struct stat *st);
int lstat(const char *path, struct stat *st);
int fstat(int fd, struct stat *st);
struct statvfs {
	unsigned long f_bsize, f_frsize;
	uint32_t f_blocks, f_bfree, f_bavail;
};
int fstatvfs(int fd, struct statvfs *fs);
int chmod(const char *path, mode_t mode);
mode_t umask(mode_t mask);
int mkdir(const char *path, mode_t mode);
#define S_ISREG(m)	(((m) & 0170000) == 0100000)
#define S_ISDIR(m)	(((m) & 0170000) == 0040000)
#define S_ISCHR(m)	(((m) & 0170000) == 0020000)
#define S_ISBLK(m)	(((m) & 0170000) == 0060000)
#define S_ISSOCK(m)	(((m) & 0170000) == 0140000)

/* sys/wait.h, sys/sysctl.h */
#define WIFEXITED(s)	(((s) & 0177) == 0)
#define WEXITSTATUS(s)	((s) >> 8 & 0xff)
enum { WNOHANG = 1 };
pid_t waitpid(pid_t pid, int *status, int options);
int sysctlbyname(const char *name, void *old, size_t *size, void *to, size_t to_size);

/* sys/mman.h */
enum {
	PROT_NONE = 0, PROT_READ = 1, PROT_WRITE = 2, MAP_SHARED = 1, MAP_PRIVATE = 2, MAP_FIXED = 0x10,
	MAP_NORESERVE = 0x40, MAP_ANON = 0x1000, MAP_ANONYMOUS = 0x1000, MS_ASYNC = 1,
};
#define MAP_FAILED ((void *)-1)
void *mmap(void *addr, size_t size, int prot, int flags, int fd, off_t off);
int munmap(void *addr, size_t size);
int mprotect(void *addr, size_t size, int prot);
int msync(void *addr, size_t size, int flags);
int madvise(void *addr, size_t size, int advice);
int shm_open(const char *name, int flags, ...);
int shm_unlink(const char *name);

/* time.h, sched.h, poll.h, setjmp.h, limits.h */
typedef enum { CLOCK_REALTIME = 0, CLOCK_MONOTONIC = 6 } clockid_t;
struct timespec {
	time_t tv_sec;
	long tv_nsec;
};
int clock_gettime(clockid_t clock, struct timespec *ts);
int nanosleep(const struct timespec *ts, struct timespec *left);
int sched_yield(void);
struct pollfd {
	int fd;
	short events, revents;
};
enum { POLLIN = 1, POLLOUT = 4, POLLERR = 8, POLLHUP = 16, POLLNVAL = 32 };
int poll(struct pollfd *p, unsigned int n, int ms);
typedef int jmp_buf[48];
typedef int sigjmp_buf[49];
int sigsetjmp(sigjmp_buf env, int mask);
void siglongjmp(sigjmp_buf env, int val) __attribute__((noreturn));
#define INT_MAX		0x7fffffff
#define UINT_MAX	0xffffffffu
#define LONG_MAX	0x7fffffffffffffffL
#define ULONG_MAX	0xffffffffffffffffUL
#define SSIZE_MAX	LONG_MAX
#define PATH_MAX	1024
#define NAME_MAX	255

/* signal.h */
typedef uint32_t sigset_t;
typedef struct {
	int si_signo, si_code;
	void *si_addr;
} siginfo_t;
struct sigaction {
	union {
		void (*sa_handler)(int sig);
		void (*sa_sigaction)(int sig, siginfo_t *info, void *context);
	};
	sigset_t sa_mask;
	int sa_flags;
};
enum {
	SIGHUP = 1, SIGINT = 2, SIGILL = 4, SIGTRAP = 5, SIGFPE = 8, SIGKILL = 9, SIGBUS = 10, SIGSEGV = 11,
	SIGPIPE = 13, SIGXFSZ = 25, SIGTERM = 15, SA_SIGINFO = 0x40, SA_NODEFER = 0x10, SA_RESTART = 2, SA_ONSTACK = 1,
	SIG_BLOCK = 1, SIG_UNBLOCK = 2, SIG_SETMASK = 3,
};
#define SIG_DFL ((void (*)(int))0)
#define SIG_IGN ((void (*)(int))1)
int sigaction(int sig, const struct sigaction *new, struct sigaction *old);
int sigemptyset(sigset_t *s);
int sigfillset(sigset_t *s);
int sigaddset(sigset_t *s, int sig);
int sigdelset(sigset_t *s, int sig);
int sigprocmask(int how, const sigset_t *s, sigset_t *old);
int pthread_sigmask(int how, const sigset_t *s, sigset_t *old);
int sigwait(const sigset_t *s, int *sig);
int raise(int sig);
void (*signal(int sig, void (*handler)(int sig)))(int sig);
int kill(pid_t pid, int sig);

/* pthread.h */
typedef struct _opaque_pthread_t *pthread_t;
typedef struct {
	long opaque[8];
} pthread_mutex_t, pthread_cond_t, pthread_attr_t, pthread_condattr_t, pthread_mutexattr_t, pthread_once_t;
typedef struct {
	long opaque[25];
} pthread_rwlock_t, pthread_rwlockattr_t;
#define PTHREAD_MUTEX_INITIALIZER	{ { 0x32AAABA7 } }
#define PTHREAD_COND_INITIALIZER	{ { 0x3CB0B1BB } }
#define PTHREAD_RWLOCK_INITIALIZER	{ { 0x2DA8B3B4 } }
#define PTHREAD_ONCE_INIT		{ { 0x30B1BCBA } }
int pthread_create(pthread_t *t, const pthread_attr_t *attr, void *(*run)(void *arg), void *arg);
int pthread_join(pthread_t t, void **ret);
int pthread_detach(pthread_t t);
pthread_t pthread_self(void);
int pthread_equal(pthread_t a, pthread_t b);
int pthread_once(pthread_once_t *once, void (*run)(void));
int pthread_setname_np(const char *name);	/* of the calling thread only */
int pthread_mutex_init(pthread_mutex_t *m, const pthread_mutexattr_t *attr);
int pthread_mutex_destroy(pthread_mutex_t *m);
int pthread_mutex_lock(pthread_mutex_t *m);
int pthread_mutex_trylock(pthread_mutex_t *m);
int pthread_mutex_unlock(pthread_mutex_t *m);
int pthread_cond_init(pthread_cond_t *c, const pthread_condattr_t *attr);
int pthread_cond_destroy(pthread_cond_t *c);
int pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m);
int pthread_cond_signal(pthread_cond_t *c);
int pthread_cond_broadcast(pthread_cond_t *c);
int pthread_cond_timedwait_relative_np(pthread_cond_t *c, pthread_mutex_t *m,
				       const struct timespec *ts);
int pthread_rwlockattr_init(pthread_rwlockattr_t *a);
int pthread_rwlockattr_destroy(pthread_rwlockattr_t *a);
int pthread_rwlock_init(pthread_rwlock_t *l, const pthread_rwlockattr_t *attr);
int pthread_rwlock_destroy(pthread_rwlock_t *l);
int pthread_rwlock_rdlock(pthread_rwlock_t *l);
int pthread_rwlock_wrlock(pthread_rwlock_t *l);
int pthread_rwlock_unlock(pthread_rwlock_t *l);

/* sys/uio.h */
struct iovec {
	void *iov_base;
	size_t iov_len;
};
ssize_t readv(int fd, const struct iovec *iov, int n);
ssize_t writev(int fd, const struct iovec *iov, int n);

/* inttypes.h */
#define PRIx64 "llx"
#define PRIu64 "llu"
#define PRId64 "lld"
#define PRIx32 "x"
#define PRIu32 "u"
#define PRIx16 "hx"

#endif
