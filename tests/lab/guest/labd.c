// SPDX-License-Identifier: Apache-2.0
/*
 * labd - the userland of the lab's guests: one static program, so a guest boots in seconds.
 *
 *   labd init          PID 1 after /init: consoles, helpers; SIGUSR1 makes it exit (kernel panic)
 *   labd console TTY   one shell (or login) on a console, started again when it ends
 *   labd ctl           orders over the virtio-serial port "lab.ctl": "ID COMMAND" in; "ID| text"
 *                      and "ID rc N" out, so that a test needs no console to cause a fault
 *   labd echo PORT...  says LAB-BANNER, then echoes
 *   labd noisy TTY N   N bytes a second of kernel-like lines
 *   labd power         power button: powers off, as a guest with acpid does
 *   labd truth crowd | truth tell FILE           what the guest says of itself (truth.c)
 *   labd shop PORT [FILE] | shop-ask PORT       an application that gets stuck on order (shop.c)
 *   labd eat | bomb | direct-read FILE | spin    faults: memory, tasks, disk reader, cpu
 *
 * Nothing here polls while the guest is idle: an idle guest of the lab must look idle.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/input.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int do_truth(int argc, char **argv);
int do_shop(int argc, char **argv);
int do_shop_ask(int argc, char **argv);

static char cmdline[4096];

/* The last one wins, as with the kernel's own parameters. */
static const char *param(const char *name, const char *otherwise)
{
	static char value[8][128];
	static int turn;
	size_t n = strlen(name);
	const char *p = cmdline, *found = NULL;

	while ((p = strstr(p, name)) != NULL) {
		if ((p == cmdline || p[-1] == ' ') && p[n] == '=')
			found = p + n + 1;
		p += n;
	}
	if (!found)
		return otherwise;
	turn = (turn + 1) % 8;
	snprintf(value[turn], sizeof value[turn], "%.*s", (int)strcspn(found, " \n"), found);
	return value[turn];
}

static void read_cmdline(void)
{
	FILE *f = fopen("/proc/cmdline", "re");

	if (f) {
		if (!fgets(cmdline, sizeof cmdline, f))
			cmdline[0] = '\0';
		fclose(f);
	}
}

static void write_text(const char *path, const char *fmt, ...)
{
	va_list ap;
	FILE *f = fopen(path, "we");

	if (!f)
		return;
	va_start(ap, fmt);
	vfprintf(f, fmt, ap);
	va_end(ap);
	fclose(f);
}

/* The helpers that a test needs to stay are no prey of the OOM killer and are not paged out. */
static void protect_me(void)
{
	write_text("/proc/self/oom_score_adj", "-1000");
	mlockall(MCL_CURRENT | MCL_FUTURE);
}

static void unprotect_me(void)
{
	munlockall();
	write_text("/proc/self/oom_score_adj", "0");
}

static pid_t spawn(char *const argv[])
{
	pid_t pid = fork();

	if (pid == 0) {
		setsid();
		execv(argv[0], argv);
		_exit(127);
	}
	return pid;
}

static pid_t spawn_labd(const char *verb, const char *a, const char *b)
{
	char *argv[] = { "/bin/labd", (char *)verb, (char *)a, (char *)b, NULL };

	return spawn(argv);
}

static int do_console(const char *tty)
{
	char dev[64], run[64];
	int login;

	read_cmdline();
	login = strcmp(param("lab.profile", "shell"), "login") == 0;
	snprintf(dev, sizeof dev, "/dev/%s", tty);
	snprintf(run, sizeof run, "/run/lab/console.%s", tty);
	for (;;) {
		pid_t pid = fork();

		if (pid < 0) {
			sleep(1);
			continue;
		}
		if (pid == 0) {
			int fd;

			setsid();
			if (login) {
				execl("/sbin/getty", "getty", "-L", "115200", tty, "vt100", NULL);
				_exit(127);
			}
			fd = open(dev, O_RDWR);
			if (fd < 0)
				_exit(126);
			ioctl(fd, TIOCSCTTY, 0);
			dup2(fd, 0);
			dup2(fd, 1);
			dup2(fd, 2);
			if (fd > 2)
				close(fd);
			if (chdir("/root"))
				_exit(126);
			execl("/bin/sh", "-sh", NULL);
			_exit(127);
		}
		write_text(run, "%d %d\n", (int)getpid(), (int)pid);
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
		usleep(200000);
	}
}

/* ---- orders ---- */

static void ctl_say(int fd, const char *fmt, ...)
{
	char buf[4096];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf, sizeof buf, fmt, ap);
	va_end(ap);
	if (n > (int)sizeof buf - 1)
		n = sizeof buf - 1;
	/* One write per line: several orders may be answering at once. */
	for (int off = 0; off < n;) {
		ssize_t r = write(fd, buf + off, n - off);

		if (r > 0)
			off += r;
		else if (errno == EAGAIN)
			usleep(10000);
		else
			return;
	}
}

static void ctl_run(int fd, char *line)
{
	char *id = line, *cmd = strchr(line, ' '), buf[1024];
	int p[2], status;
	pid_t pid;

	if (!cmd)
		return;
	*cmd++ = '\0';
	/* A process per order: one that never comes back does not stand in the way of the next. */
	if (fork() != 0)
		return;
	setsid();
	/* PID 1 would be asked about children that are ours. */
	signal(SIGCHLD, SIG_DFL);
	if (pipe2(p, O_CLOEXEC) || (pid = fork()) < 0) {
		ctl_say(fd, "%s| %s\n%s rc 126\n", id, strerror(errno), id);
		_exit(0);
	}
	if (pid == 0) {
		int null = open("/dev/null", O_RDONLY);

		dup2(null, 0);
		dup2(p[1], 1);
		dup2(p[1], 2);
		unprotect_me();
		if (chdir("/root"))
			_exit(126);
		execl("/bin/sh", "sh", "-c", cmd, NULL);
		_exit(127);
	}
	close(p[1]);
	fcntl(p[0], F_SETFL, O_NONBLOCK);
	/*
	 * The order is done when its shell ends, not when the pipe closes: "fault &" leaves the
	 * write end with something that may live for ever.
	 */
	size_t have = 0;
	for (;;) {
		pid_t done = waitpid(pid, &status, WNOHANG);
		struct pollfd pf = { .fd = p[0], .events = POLLIN };
		ssize_t n;

		if (done == 0)
			poll(&pf, 1, 20);
		while ((n = read(p[0], buf + have, sizeof buf - 1 - have)) > 0) {
			char *s = buf, *nl;

			have += n;
			buf[have] = '\0';
			while ((nl = strchr(s, '\n')) != NULL) {
				*nl = '\0';
				ctl_say(fd, "%s| %s\n", id, s);
				s = nl + 1;
			}
			have -= s - buf;
			memmove(buf, s, have);
			if (have >= sizeof buf - 1) {
				buf[have] = '\0';
				ctl_say(fd, "%s| %s\n", id, buf);
				have = 0;
			}
		}
		if (done == pid)
			break;
		if (n == 0 && done == 0)
			usleep(20000);
	}
	if (have) {
		buf[have] = '\0';
		ctl_say(fd, "%s| %s\n", id, buf);
	}
	ctl_say(fd, "%s rc %d\n", id, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	_exit(0);
}

static int ctl_open(void)
{
	char path[300], name[64];
	struct dirent *e;
	DIR *d = opendir("/sys/class/virtio-ports");
	int fd = -1;

	if (!d)
		return -1;
	while (fd < 0 && (e = readdir(d)) != NULL) {
		FILE *f;

		snprintf(path, sizeof path, "/sys/class/virtio-ports/%.64s/name", e->d_name);
		f = fopen(path, "re");
		if (!f)
			continue;
		name[0] = '\0';
		if (fgets(name, sizeof name, f) && strcmp(name, "lab.ctl\n") == 0) {
			snprintf(path, sizeof path, "/dev/%.64s", e->d_name);
			fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
		}
		fclose(f);
	}
	closedir(d);
	return fd;
}

static int do_ctl(void)
{
	static char line[4096];
	size_t have = 0;
	int fd = -1;
	sigset_t set;

	protect_me();
	/* The children of the orders' own processes are nobody's to wait for. */
	signal(SIGCHLD, SIG_IGN);
	for (int i = 0; fd < 0 && i < 100; i++) {
		fd = ctl_open();
		if (fd < 0)
			usleep(50000);
	}
	if (fd < 0)
		return 1;
	/* The port has no host side now and then; the driver raises SIGIO when that changes. */
	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fcntl(fd, F_SETOWN, getpid());
	fcntl(fd, F_SETFL, O_NONBLOCK | O_ASYNC);
	for (;;) {
		struct pollfd pf = { .fd = fd, .events = POLLIN };
		ssize_t n;
		char *nl;

		n = read(fd, line + have, sizeof line - 1 - have);
		if (n <= 0) {
			struct timespec ts = { .tv_sec = 2 };

			if (n == 0) /* no host side */
				sigtimedwait(&set, NULL, &ts);
			else
				poll(&pf, 1, -1);
			if (pf.revents & POLLHUP)
				sigtimedwait(&set, NULL, &ts);
			continue;
		}
		have += n;
		line[have] = '\0';
		while ((nl = strchr(line, '\n')) != NULL) {
			*nl = '\0';
			ctl_run(fd, line);
			have -= nl + 1 - line;
			memmove(line, nl + 1, have + 1);
		}
		if (have >= sizeof line - 1)
			have = 0;
	}
}

/* ---- network ---- */

static void echo_client(int fd)
{
	char buf[2048];
	ssize_t n;

	if (write(fd, "LAB-BANNER\n", 11) < 0)
		return;
	while ((n = read(fd, buf, sizeof buf)) > 0)
		if (write(fd, buf, n) != n)
			return;
}

/* A DNS server that has one address for every name, for busybox has none. */
static int do_dns(const char *address)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(53) }, from;
	static const unsigned char record[] = { 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct in_addr ip;

	if (inet_pton(AF_INET, address, &ip) != 1 || bind(fd, (struct sockaddr *)&sin, sizeof sin))
		return 1;
	for (;;) {
		unsigned char p[600];
		socklen_t len = sizeof from;
		ssize_t n = recvfrom(fd, p, 512, 0, (struct sockaddr *)&from, &len);

		if (n < 17)
			continue;
		p[2] |= 0x80;
		if (p[n - 3] == 1) { /* asked for an A */
			p[7] = 1;
			memcpy(p + n, record, sizeof record);
			memcpy(p + n + sizeof record, &ip, 4);
			n += sizeof record + 4;
		}
		sendto(fd, p, n, 0, (struct sockaddr *)&from, len);
	}
}

static int do_echo(int argc, char **argv)
{
	struct pollfd pf[8];
	int n = 0;

	signal(SIGCHLD, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	for (int i = 0; i < argc && n < 8; i++) {
		struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(atoi(argv[i])) };
		int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
		if (bind(fd, (struct sockaddr *)&sin, sizeof sin) || listen(fd, 16))
			return 1;
		pf[n++] = (struct pollfd){ .fd = fd, .events = POLLIN };
	}
	for (;;) {
		poll(pf, n, -1);
		for (int i = 0; i < n; i++) {
			int fd;

			if (!(pf[i].revents & POLLIN))
				continue;
			fd = accept4(pf[i].fd, NULL, NULL, SOCK_CLOEXEC);
			if (fd < 0)
				continue;
			if (fork() == 0) {
				echo_client(fd);
				_exit(0);
			}
			close(fd);
		}
	}
}

/* ---- faults ---- */

static int do_noisy(const char *tty, long rate)
{
	char dev[64], line[128];
	unsigned long seq = 0;
	long left = 0;
	int fd;

	if (rate <= 0)
		return 2;
	snprintf(dev, sizeof dev, "/dev/%s", tty);
	fd = open(dev, O_WRONLY | O_NOCTTY);
	if (fd < 0)
		return 1;
	for (;;) {
		/* Twenty slices a second: steady enough for a rate, cheap enough for a slow CPU. */
		left += rate > 20 ? rate / 20 : 1;
		while (left > 0) {
			struct timespec ts;
			int n;

			clock_gettime(CLOCK_MONOTONIC, &ts);
			n = snprintf(line, sizeof line,
				     "[%5ld.%06ld] noisy 0000:00:1f.0: completion %lu status 0x%04lx, nothing is wrong\r\n",
				     (long)ts.tv_sec, ts.tv_nsec / 1000, seq, seq * 2654435761UL % 65536);
			seq++;
			if (write(fd, line, n) < 0)
				return 1;
			left -= n;
		}
		usleep(50000);
	}
}

static int do_power(void)
{
	struct pollfd pf[16];
	int n = 0;

	for (int i = 0; i < 16; i++) {
		char path[64];
		unsigned char keys[KEY_MAX / 8 + 1] = { 0 };
		int fd;

		snprintf(path, sizeof path, "/dev/input/event%d", i);
		fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (ioctl(fd, EVIOCGBIT(EV_KEY, sizeof keys), keys) < 0 ||
		    !(keys[KEY_POWER / 8] & (1 << (KEY_POWER % 8)))) {
			close(fd);
			continue;
		}
		pf[n++] = (struct pollfd){ .fd = fd, .events = POLLIN };
	}
	if (n == 0)
		return 1;
	for (;;) {
		struct input_event ev;

		poll(pf, n, -1);
		for (int i = 0; i < n; i++)
			while (read(pf[i].fd, &ev, sizeof ev) == (ssize_t)sizeof ev)
				if (ev.type == EV_KEY && ev.code == KEY_POWER && ev.value == 1) {
					sync();
					reboot(RB_POWER_OFF);
				}
	}
}

/* One process takes all there is; killed, the next begins: the OOM killer is never done. */
static __attribute__((noreturn)) void do_eat(void)
{
	for (;;) {
		pid_t pid = fork();

		if (pid == 0) {
			unprotect_me();
			for (;;) {
				char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

				if (p != MAP_FAILED)
					memset(p, 0x5a, 1 << 20);
			}
		}
		if (pid > 0)
			waitpid(pid, NULL, 0);
		else
			usleep(100000);
	}
}

/* Takes every task there may be, sleeping: the guest is not busy, it only cannot fork any more. */
static __attribute__((noreturn)) void do_bomb(void)
{
	for (;;) {
		pid_t pid = fork();

		if (pid == 0)
			for (;;)
				pause();
		if (pid < 0)
			usleep(200000);
	}
}

/* Reads past the cache for ever: in D whenever the host's disk does not answer. */
static int do_direct_read(const char *file)
{
	int fd = open(file, O_RDONLY | O_DIRECT | O_CLOEXEC);
	void *buf;
	off_t off = 0;

	if (fd < 0 || posix_memalign(&buf, 4096, 65536))
		return 1;
	for (;;) {
		ssize_t n = pread(fd, buf, 65536, off);

		off = n > 0 ? off + n : 0;
		usleep(100000);
	}
}

/* ---- PID 1 ---- */

static void on_usr1(int sig)
{
	(void)sig;
	_exit(7);
}

static __attribute__((noreturn)) void do_init(void)
{
	char consoles[128], *save = NULL;
	const char *profile, *noisy;
	struct sigaction sa = { .sa_handler = on_usr1 };

	read_cmdline();
	sigaction(SIGUSR1, &sa, NULL);
	mkdir("/run/lab", 0755);
	profile = param("lab.profile", "shell");
	noisy = param("lab.noisy", "0");
	snprintf(consoles, sizeof consoles, "%s", param("lab.consoles", "ttyS0"));

	spawn_labd("ctl", NULL, NULL);
	for (char *t = strtok_r(consoles, ",", &save); t; t = strtok_r(NULL, ",", &save)) {
		if (strcmp(profile, "none") != 0)
			spawn_labd("console", t, NULL);
	}
	/* Noise belongs to the kernel's console, which is not where the shell is in a container's VM. */
	if (atol(noisy) > 0)
		spawn_labd("noisy", param("lab.noisy_on", param("console", "ttyS0")), noisy);
	/* Where a real sshd will be, there is no other. */
	if (strcmp(param("lab.sshd", "0"), "1") == 0)
		spawn_labd("echo", "7", NULL);
	else
		spawn_labd("echo", "22", "7");
	spawn_labd("power", NULL, NULL);
	for (;;) {
		if (waitpid(-1, NULL, 0) < 0 && errno == ECHILD)
			pause();
	}
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";
	const char *a = argc > 2 ? argv[2] : "";

	/*
	 * The kernel starts init without stdin, stdout and stderr when the console's driver is a module
	 * yet to be loaded: then the next pipe would be "stdout".
	 */
	while (open("/dev/null", O_RDWR) >= 0 && fcntl(2, F_GETFD) < 0)
		;

	if (!strcmp(verb, "init"))
		do_init();
	if (!strcmp(verb, "console"))
		return do_console(a);
	if (!strcmp(verb, "ctl"))
		return do_ctl();
	if (!strcmp(verb, "echo"))
		return do_echo(argc - 2, argv + 2);
	if (!strcmp(verb, "dns"))
		return do_dns(a);
	if (!strcmp(verb, "noisy"))
		return do_noisy(a, argc > 3 ? atol(argv[3]) : 0);
	if (!strcmp(verb, "power"))
		return do_power();
	if (!strcmp(verb, "eat"))
		do_eat();
	if (!strcmp(verb, "bomb"))
		do_bomb();
	if (!strcmp(verb, "direct-read"))
		return do_direct_read(a);
	if (!strcmp(verb, "truth"))
		return do_truth(argc - 2, argv + 2);
	if (!strcmp(verb, "shop"))
		return do_shop(argc - 2, argv + 2);
	if (!strcmp(verb, "shop-ask"))
		return do_shop_ask(argc - 2, argv + 2);
	if (!strcmp(verb, "spin"))
		for (;;)
			__asm__ volatile("");
	fprintf(stderr, "labd: init, console, ctl, echo, noisy, power, eat, bomb, direct-read, spin, shop, shop-ask, truth\n");
	return 2;
}
