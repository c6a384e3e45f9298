// SPDX-License-Identifier: Apache-2.0
/*
 * labd truth - what a guest of the lab says of itself, for those who read it from outside.
 *
 *   labd truth crowd        makes a crowd of tasks that sleep in as many ways as there are, and goes
 *   labd truth tell FILE    writes all that /proc and the log say to FILE, says TRUTH-READY on the console, and
 *                      stands still: whoever listens has the time to stop the guest
 *
 * FILE is lines of fields with tabs between them:
 *
 *   T TID TGID STATE PPID SWITCHES-BEFORE SWITCHES-AFTER CGROUP NAME    a task
 *   F TID FRAME                                                        of its stack, from the top
 *   S NAME                                                             a function that /proc/PID/stack leaves out
 *   R RELEASE
 *
 * and FILE.log what dmesg reads. A task whose switches are others when it is looked at from outside has run
 * in between, and is no witness of what it did before.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- the crowd: each sleeps in a system call of its own ---- */

static void in_pause(void) { pause(); }
static void in_nanosleep(void) { sleep(1000000); }

static void in_pipe_read(void)
{
	int p[2];
	char c;

	if (!pipe(p) && read(p[0], &c, 1) < 0)
		return;
}

static void in_pipe_write(void)
{
	static char full[1 << 20];
	int p[2];

	if (!pipe(p) && write(p[1], full, sizeof full) < 0)
		return;
}

static void in_poll(void)
{
	struct pollfd pf = { .fd = eventfd(0, 0), .events = POLLIN };

	poll(&pf, 1, -1);
}

static void in_select(void)
{
	int fd = eventfd(0, 0);
	fd_set set;

	FD_ZERO(&set);
	FD_SET(fd, &set);
	select(fd + 1, &set, NULL, NULL, NULL);
}

static void in_epoll(void)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int e = epoll_create1(0);

	epoll_ctl(e, EPOLL_CTL_ADD, eventfd(0, 0), &ev);
	epoll_wait(e, &ev, 1, -1);
}

static void in_eventfd(void)
{
	unsigned long long n;

	if (read(eventfd(0, 0), &n, sizeof n) < 0)
		return;
}

static void in_timerfd(void)
{
	struct itimerspec never = { .it_value.tv_sec = 1000000 };
	int fd = timerfd_create(CLOCK_MONOTONIC, 0);
	unsigned long long n;

	timerfd_settime(fd, 0, &never, NULL);
	if (read(fd, &n, sizeof n) < 0)
		return;
}

static void in_inotify(void)
{
	int fd = inotify_init();
	char buf[512];

	inotify_add_watch(fd, "/root", IN_CREATE);
	if (read(fd, buf, sizeof buf) < 0)
		return;
}

static void in_accept(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	listen(fd, 1);
	accept(fd, NULL, NULL);
}

static void in_recv(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	char c;

	bind(fd, (struct sockaddr *)&sin, sizeof sin);
	recv(fd, &c, 1, 0);
}

static void in_unix(void)
{
	int s[2];
	char c;

	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	recv(s[0], &c, 1, 0);
}

static void in_msgrcv(void)
{
	struct { long type; char text[8]; } m;

	msgrcv(msgget(IPC_PRIVATE, 0600), &m, sizeof m.text, 0, 0);
}

static void in_semop(void)
{
	struct sembuf down = { .sem_op = -1 };

	semop(semget(IPC_PRIVATE, 1, 0600), &down, 1);
}

static void in_flock(void)
{
	int a = open("/tmp/truth.lock", O_CREAT | O_RDWR, 0600), b = open("/tmp/truth.lock", O_RDWR);

	flock(a, LOCK_EX);
	flock(b, LOCK_EX);
}

static void in_fcntl(void)
{
	struct flock whole = { .l_type = F_WRLCK };
	int fd = open("/tmp/truth.range", O_CREAT | O_RDWR, 0600);

	if (fork() == 0)
		usleep(200000);
	fcntl(fd, F_SETLKW, &whole);
	pause();
}

static void in_fifo(void)
{
	mkfifo("/tmp/truth.fifo", 0600);
	open("/tmp/truth.fifo", O_RDONLY);
}

static void in_sigwait(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigwaitinfo(&set, NULL);
}

static void in_wait(void)
{
	pid_t pid = fork();

	if (pid == 0)
		pause();
	waitpid(pid, NULL, 0);
}

/* The parent is in D until the child has gone on, and it never does. */
static void in_vfork(void)
{
	if (vfork() == 0)
		pause();
}

static void is_stopped(void) { raise(SIGSTOP); }

static void is_traced(void)
{
	if (fork() == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
	}
	pause();
}

static void has_zombie(void)
{
	if (fork() == 0)
		_exit(0);
	pause();
}

static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;

static void *in_thread(void *arg)
{
	static const char *const names[] = { "thr mutex", "thr (cond) x", "thr sleep", "thr:pause" };
	pthread_mutex_t mine = PTHREAD_MUTEX_INITIALIZER;
	long n = (long)arg;

	prctl(PR_SET_NAME, names[n]);
	if (n == 0)
		pthread_mutex_lock(&held);
	if (n == 1) {
		pthread_mutex_lock(&mine);
		pthread_cond_wait(&never, &mine);
	}
	if (n == 2)
		sleep(1000000);
	pause();
	return NULL;
}

static void has_threads(void)
{
	pthread_t t;

	pthread_mutex_lock(&held);
	for (long i = 0; i < 4; i++)
		pthread_create(&t, NULL, in_thread, (void *)i);
	pthread_join(t, NULL);
}

/* A leader that is a zombie while its threads live. */
static void is_headless(void)
{
	pthread_t t;

	pthread_create(&t, NULL, in_thread, (void *)2L);
	pthread_exit(NULL);
}

static const struct {
	const char *name;
	void (*fn)(void);
} crowd[] = {
	{ "c pause", in_pause }, { "c nanosleep", in_nanosleep }, { "c piperead", in_pipe_read },
	{ "c pipewrite", in_pipe_write }, { "c poll", in_poll }, { "c select", in_select },
	{ "c epoll", in_epoll }, { "c eventfd", in_eventfd }, { "c timerfd", in_timerfd },
	{ "c inotify", in_inotify }, { "c accept", in_accept }, { "c recv", in_recv },
	{ "c unix", in_unix }, { "c msgrcv", in_msgrcv }, { "c semop", in_semop },
	{ "c flock", in_flock }, { "c fcntl", in_fcntl }, { "c fifo", in_fifo },
	{ "c sigwait", in_sigwait }, { "c wait", in_wait }, { "c vfork", in_vfork },
	{ "c stopped", is_stopped }, { "c traced", is_traced }, { "c zombie", has_zombie },
	{ "c threads", has_threads }, { "c headless", is_headless },
	{ "a ) S 1 (b", in_pause }, { "fifteen letters", in_pause },
};

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd >= 0) {
		if (write(fd, text, strlen(text)) < 0)
			perror(path);
		close(fd);
	}
}

static int do_crowd(void)
{
	static const char *const groups[] = { "/sys/fs/cgroup/lab.slice", "/sys/fs/cgroup/lab.slice/a.service",
					      "/sys/fs/cgroup/lab.slice/b c.scope" };

	mount("none", "/sys/fs/cgroup", "cgroup2", 0, NULL);
	for (size_t i = 0; i < 3; i++)
		mkdir(groups[i], 0755);
	for (size_t i = 0; i < sizeof crowd / sizeof *crowd; i++) {
		char path[96];

		if (fork() != 0)
			continue;
		setsid();
		/* Out of the order's own pipe, which else is never done. */
		freopen("/dev/null", "r+", stdin);
		freopen("/dev/null", "w", stdout);
		freopen("/dev/null", "w", stderr);
		snprintf(path, sizeof path, "%s/cgroup.procs", groups[i % 3]);
		if (i % 4 != 3)
			put(path, "0");
		prctl(PR_SET_NAME, crowd[i].name);
		crowd[i].fn();
		for (;;)
			pause();
	}
	/* Records of users, with what a kernel's own lines have seldom. */
	put("/dev/kmsg", "<13>truth: a line of a user\n");
	put("/dev/kmsg", "<30>truth: two\nlines, and a\ttab\n");
	put("/dev/kmsg", "<4>truth: an \303\274mlaut, a \\ and a \"\n");
	return 0;
}

/* ---- what there is to be said ---- */

static char text[1 << 16];

static const char *slurp(const char *fmt, const char *pid, const char *tid)
{
	char path[128];
	size_t have = 0;
	ssize_t n;
	int fd;

	snprintf(path, sizeof path, fmt, pid, tid);
	text[0] = '\0';
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	while (have < sizeof text - 1 && (n = read(fd, text + have, sizeof text - 1 - have)) > 0)
		have += n;
	close(fd);
	text[have] = '\0';
	return text;
}

static unsigned long long number_after(const char *key)
{
	const char *p = strstr(text, key);

	return p ? strtoull(p + strlen(key), NULL, 10) : 0;
}

static unsigned long long switches(const char *pid, const char *tid)
{
	if (!slurp("/proc/%s/task/%s/status", pid, tid))
		return 0;
	return number_after("\nvoluntary_ctxt_switches:") + number_after("\nnonvoluntary_ctxt_switches:");
}

static void tell_stack(FILE *f, const char *tid)
{
	char *save = NULL;

	for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		char *frame = strstr(l, "] ");

		if (frame)
			fprintf(f, "F\t%s\t%s\n", tid, frame + 2);
	}
}

static void tell_task(FILE *f, const char *pid, const char *tid)
{
	unsigned long long before = switches(pid, tid), after;
	char name[128] = "", cgroup[512] = "", stack[16384] = "", state;
	const char *p;
	int ppid;

	if (!slurp("/proc/%s/task/%s/stat", pid, tid) || (p = strrchr(text, ')')) == NULL ||
	    sscanf(p + 2, "%c %d", &state, &ppid) != 2)
		return;
	if (slurp("/proc/%s/task/%s/stack", pid, tid))
		snprintf(stack, sizeof stack, "%.*s", (int)sizeof stack - 1, text);
	if (slurp("/proc/%s/task/%s/comm", pid, tid))
		snprintf(name, sizeof name, "%.*s", (int)strcspn(text, "\n"), text);
	if (slurp("/proc/%s/task/%s/cgroup", pid, tid) && (p = strstr(text, "0::")) != NULL)
		snprintf(cgroup, sizeof cgroup, "%.*s", (int)strcspn(p + 3, "\n"), p + 3);
	after = switches(pid, tid);
	fprintf(f, "T\t%s\t%s\t%c\t%d\t%llu\t%llu\t%s\t%s\n", tid, pid, state, ppid, before, after, cgroup, name);
	snprintf(text, sizeof text, "%s", stack);
	tell_stack(f, tid);
}

static void tell_tasks(FILE *f)
{
	DIR *proc = opendir("/proc"), *tasks;
	struct dirent *p, *t;
	char path[300];

	while (proc && (p = readdir(proc)) != NULL) {
		if (!isdigit((unsigned char)p->d_name[0]))
			continue;
		snprintf(path, sizeof path, "/proc/%s/task", p->d_name);
		tasks = opendir(path);
		while (tasks && (t = readdir(tasks)) != NULL)
			if (isdigit((unsigned char)t->d_name[0]))
				tell_task(f, p->d_name, t->d_name);
		if (tasks)
			closedir(tasks);
	}
	if (proc)
		closedir(proc);
}

/* Functions of the scheduler and of spin locks: /proc/PID/stack leaves them out wherever they stand. */
static void tell_left_out(FILE *f)
{
	unsigned long long at, from[2] = { 0, 0 }, to[2] = { 0, 0 };
	char line[512], name[256], type;
	FILE *syms = fopen("/proc/kallsyms", "re");

	for (int pass = 0; syms && pass < 2; pass++) {
		rewind(syms);
		while (fgets(line, sizeof line, syms)) {
			if (sscanf(line, "%llx %c %255s", &at, &type, name) != 3)
				continue;
			if (pass == 0) {
				if (!strcmp(name, "__sched_text_start"))
					from[0] = at;
				if (!strcmp(name, "__sched_text_end"))
					to[0] = at;
				if (!strcmp(name, "__lock_text_start"))
					from[1] = at;
				if (!strcmp(name, "__lock_text_end"))
					to[1] = at;
			} else if (((at >= from[0] && at < to[0]) || (at >= from[1] && at < to[1])) &&
				   tolower((unsigned char)type) == 't')
				fprintf(f, "S\t%s\n", name);
		}
	}
	if (syms)
		fclose(syms);
}

static int tell_log(const char *file)
{
	static char log[4 << 20];
	char path[256];
	int n = klogctl(3 /* READ_ALL */, log, sizeof log), fd;

	snprintf(path, sizeof path, "%s.log", file);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (n < 0 || fd < 0 || write(fd, log, n) != n)
		return 1;
	return close(fd) != 0;
}

static int do_tell(const char *file)
{
	struct utsname u;
	FILE *f = fopen(file, "we");
	int fd = open("/dev/console", O_WRONLY | O_NOCTTY | O_CLOEXEC);

	if (!f || fd < 0 || uname(&u) < 0)
		return 1;
	fprintf(f, "R\t%s\n", u.release);
	tell_left_out(f);
	/* Those who carried the order have gone by then. */
	usleep(500000);
	tell_tasks(f);
	if (fclose(f) || tell_log(file))
		return 1;
	if (write(fd, "TRUTH-READY\n", 12) < 0)
		return 1;
	for (;;)
		pause();
}

int do_truth(int argc, char **argv);

int do_truth(int argc, char **argv)
{
	if (argc > 0 && !strcmp(argv[0], "crowd"))
		return do_crowd();
	if (argc > 1 && !strcmp(argv[0], "tell"))
		return do_tell(argv[1]);
	fprintf(stderr, "labd truth: crowd, tell FILE\n");
	return 2;
}
