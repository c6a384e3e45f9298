// SPDX-License-Identifier: Apache-2.0
/*
 * labtool - the host side of the lab: what a shell cannot do. lab.sh builds it into its cache.
 *
 *   labtool ctl SOCKET SECONDS COMMAND     an order for the guest; its output, its exit code
 *   labtool qmp SOCKET SECONDS COMMAND...  QMP commands (JSON, or a bare name); replies on stdout
 *   labtool standin SOCKET                 holds a QMP socket and reads it, as pillar holds
 *                                          listener.qmp; prints the events
 *   labtool send SOCKET SECONDS TEXT       types TEXT (with \r \n \xHH) and prints what comes
 *   labtool freeport                       a TCP port that nobody listens on
 *   labtool starttime PID                  the start time of a process, in ticks since boot
 *   labtool now                            milliseconds of the monotonic clock
 *   labtool spawn LOGFILE PROGRAM ARG...   starts a session leader, prints "PID STARTTIME"
 *   labtool nfs PORT                       a server of NFS 3 on loopback, with one folder in which every name
 *                                          is a file of zeros: as much as a mount needs, to be stopped
 *
 * ctl ends with 0 to 125 from the command, 124 when no answer came in time, 125 when the socket
 * cannot be reached.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static long long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

/*
 * With the queue of a QEMU that accepts nobody full (two deep), connect() would wait for ever: so it
 * does not block, and is tried again until the deadline.
 */
static int unix_connect(const char *path, long long deadline)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd, err;

	if (strlen(path) >= sizeof sun.sun_path) {
		fprintf(stderr, "labtool: %s: too long for a unix socket (107 bytes): use a shorter lab folder\n", path);
		return -1;
	}
	strcpy(sun.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	while (connect(fd, (struct sockaddr *)&sun, sizeof sun) != 0) {
		err = errno;
		if (err != EAGAIN || now_ms() >= deadline) {
			fprintf(stderr, "labtool: %s: %s\n", path,
				err == EAGAIN ? "others wait there already, and nobody is let in" : strerror(err));
			close(fd);
			return -1;
		}
		usleep(20000);
	}
	fcntl(fd, F_SETFL, 0);
	return fd;
}

/* One line, without its end. -1 at the end of file, -2 at the deadline. */
static int read_line(int fd, char *line, size_t size, long long deadline)
{
	static char buf[65536];
	static size_t have;

	for (;;) {
		char *nl = memchr(buf, '\n', have);
		struct pollfd pf = { .fd = fd, .events = POLLIN };
		long long left;
		ssize_t n;

		if (nl || have == sizeof buf) {
			size_t len = nl ? (size_t)(nl - buf) : have, eat = nl ? len + 1 : len;
			size_t copy = len < size - 1 ? len : size - 1;

			memcpy(line, buf, copy);
			line[copy] = '\0';
			if (copy && line[copy - 1] == '\r')
				line[copy - 1] = '\0';
			memmove(buf, buf + eat, have - eat);
			have -= eat;
			return 0;
		}
		left = deadline - now_ms();
		if (left <= 0)
			return -2;
		if (poll(&pf, 1, left > 60000 ? 60000 : (int)left) <= 0)
			continue;
		n = read(fd, buf + have, sizeof buf - have);
		if (n <= 0)
			return -1;
		have += n;
	}
}

static int do_ctl(const char *path, double seconds, const char *command)
{
	long long deadline = now_ms() + (long long)(seconds * 1000);
	char line[65536], id[32], want[48];
	int fd, r, idlen;

	fd = unix_connect(path, deadline);
	if (fd < 0)
		return 125;
	/* An old answer that is still under way must not be taken for ours. */
	idlen = snprintf(id, sizeof id, "%d.%lld", (int)getpid(), now_ms());
	snprintf(want, sizeof want, "%s rc ", id);
	/* The first newline ends what a test that was killed may have left half written. */
	if (dprintf(fd, "\n%s %s\n", id, command) < 0)
		return 125;
	while ((r = read_line(fd, line, sizeof line, deadline)) == 0) {
		if (strncmp(line, want, strlen(want)) == 0)
			return atoi(line + strlen(want));
		if (strncmp(line, id, idlen) == 0 && line[idlen] == '|')
			puts(line + idlen + (line[idlen + 1] == ' ' ? 2 : 1));
	}
	fprintf(stderr, "labtool: the guest %s\n", r == -2 ? "did not answer in time" : "closed the port");
	return r == -2 ? 124 : 125;
}

static int do_qmp(const char *path, double seconds, int n, char **commands)
{
	long long deadline = now_ms() + (long long)(seconds * 1000);
	char line[65536];
	int fd = unix_connect(path, deadline), bad = 0;

	if (fd < 0)
		return 1;
	if (read_line(fd, line, sizeof line, deadline)) {
		fprintf(stderr, "labtool: no QMP greeting from %s: does somebody else hold it?\n", path);
		return 2;
	}
	for (int i = -1; i < n; i++) {
		const char *c = i < 0 ? "qmp_capabilities" : commands[i];

		if (*c == '{')
			dprintf(fd, "%s\n", c);
		else
			dprintf(fd, "{\"execute\":\"%s\"}\n", c);
		/* Events may come before any reply, also before the one to qmp_capabilities. */
		do {
			int r = read_line(fd, line, sizeof line, deadline);

			if (r) {
				fprintf(stderr, "labtool: no reply to %s\n", c);
				return r == -1 ? 4 : 3;
			}
			if (i >= 0)
				puts(line);
		} while (strncmp(line, "{\"return\"", 9) && strncmp(line, "{\"error\"", 8));
		if (!strncmp(line, "{\"error\"", 8))
			bad = 5;
	}
	return bad;
}

static int do_standin(const char *path)
{
	char line[65536];
	int fd = unix_connect(path, now_ms() + 10000);

	if (fd < 0)
		return 1;
	setvbuf(stdout, NULL, _IOLBF, 0);
	dprintf(fd, "{\"execute\":\"qmp_capabilities\"}\n");
	while (read_line(fd, line, sizeof line, now_ms() + (1LL << 40)) == 0)
		puts(line);
	return 0;
}

static int do_send(const char *path, double seconds, const char *text)
{
	long long deadline = now_ms() + (long long)(seconds * 1000), left;
	int fd = unix_connect(path, deadline);
	char buf[4096];

	if (fd < 0)
		return 1;
	for (const char *p = text; *p; p++) {
		char c = *p;

		if (c == '\\' && p[1]) {
			p++;
			c = *p == 'r' ? '\r' : *p == 'n' ? '\n' : *p;
			if (*p == 'x' && isxdigit((unsigned char)p[1]) && isxdigit((unsigned char)p[2])) {
				char hex[3] = { p[1], p[2], 0 };

				c = (char)strtol(hex, NULL, 16);
				p += 2;
			}
		}
		if (write(fd, &c, 1) != 1)
			return 1;
	}
	while ((left = deadline - now_ms()) > 0) {
		struct pollfd pf = { .fd = fd, .events = POLLIN };
		ssize_t n;

		if (poll(&pf, 1, (int)left) <= 0)
			continue;
		n = read(fd, buf, sizeof buf);
		if (n <= 0)
			break;
		fwrite(buf, 1, n, stdout);
		fflush(stdout);
	}
	return 0;
}

/*
 * Whoever asks takes it a little later. Below those that the kernel gives to any connection nobody is
 * likely to take it before.
 */
static int do_freeport(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof sin;
	unsigned at = (unsigned)getpid() * 7919u + (unsigned)now_ms();

	for (unsigned i = 0; i < 100; i++) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);

		/* At last any. */
		sin.sin_port = htons(i < 99 ? (unsigned short)(20000 + (at + i * 101) % 12000) : 0);
		if (fd < 0)
			return 1;
		if (bind(fd, (struct sockaddr *)&sin, len) == 0 && getsockname(fd, (struct sockaddr *)&sin, &len) == 0) {
			printf("%d\n", ntohs(sin.sin_port));
			return 0;
		}
		close(fd);
	}
	return 1;
}

/* pid and start time name a process for ever; a pid alone may be somebody else's tomorrow. */
static long long start_time(int pid)
{
	char path[64], buf[2048], *p;
	long long t = -1;
	FILE *f;
	size_t n;

	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (!f)
		return -1;
	n = fread(buf, 1, sizeof buf - 1, f);
	fclose(f);
	buf[n] = '\0';
	p = strrchr(buf, ')');
	if (!p || sscanf(p + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %lld", &t) != 1)
		return -1;
	/* A zombie is dead: only its parent has yet to hear of it. */
	return p[2] == 'Z' || p[2] == 'X' ? -1 : t;
}

static int do_spawn(const char *log, char **argv)
{
	int p[2], err = 0;
	pid_t pid;

	if (pipe2(p, O_CLOEXEC))
		return 1;
	pid = fork();
	if (pid < 0)
		return 1;
	if (pid == 0) {
		int in = open("/dev/null", O_RDONLY), out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);

		/* Out of the terminal's reach: an interrupt is for the test, whose trap cleans up in order. */
		setsid();
		signal(SIGPIPE, SIG_DFL);
		dup2(in, 0);
		dup2(out, 1);
		dup2(out, 2);
		/* Nothing of the caller's: a lock held by a guest would outlive the test. */
		for (int fd = 3; fd < 256; fd++)
			if (fd != p[1])
				close(fd);
		execvp(argv[0], argv);
		err = errno;
		if (write(p[1], &err, sizeof err) < 0)
			_exit(126);
		_exit(127);
	}
	close(p[1]);
	if (read(p[0], &err, sizeof err) == sizeof err) {
		fprintf(stderr, "labtool: %s: %s\n", argv[0], strerror(err));
		return 1;
	}
	printf("%d %lld\n", (int)pid, start_time(pid));
	return 0;
}

/* ---- a server of NFS 3 (RFC 1813), of which a test needs that it stops answering ---- */

struct xdr {
	uint32_t w[4096];
	size_t n;
};

static void put(struct xdr *x, uint32_t v)
{
	if (x->n < sizeof x->w / sizeof *x->w)
		x->w[x->n++] = htonl(v);
}

static void put_zeros(struct xdr *x, int words)
{
	while (words-- > 0)
		put(x, 0);
}

/* A handle of four bytes: 1 the folder, 2 each file in it. */
static void put_handle(struct xdr *x, uint32_t id)
{
	put(x, 4);
	put(x, id);
}

static void put_attr(struct xdr *x, uint32_t id)
{
	put(x, id == 1 ? 2 : 1);
	put(x, id == 1 ? 0755 : 0644);
	put(x, 1); /* links */
	put_zeros(x, 2); /* uid, gid */
	put(x, 0);
	put(x, 65536); /* size */
	put(x, 0);
	put(x, 65536); /* used */
	put_zeros(x, 4); /* rdev, fsid */
	put(x, 0);
	put(x, id);
	put_zeros(x, 6); /* times */
}

static void put_post_attr(struct xdr *x, uint32_t id)
{
	put(x, 1);
	put_attr(x, id);
}

/* In ARG, N words, stands what the call is about, after its credentials. */
static void nfs_reply(struct xdr *x, uint32_t prog, uint32_t proc, const uint32_t *arg, size_t n)
{
	uint32_t id = n > 1 && ntohl(arg[0]) == 4 ? ntohl(arg[1]) : 1, want;

	if (proc == 0 || (prog == 100005 && proc != 1))
		return;
	put(x, 0);
	if (prog == 100005) { /* MNT */
		put_handle(x, 1);
		put(x, 1);
		put(x, 1); /* AUTH_SYS */
		return;
	}
	switch (proc) {
	case 1: /* GETATTR */
		put_attr(x, id);
		return;
	case 3: /* LOOKUP */
		put_handle(x, 2);
		put_post_attr(x, 2);
		put_post_attr(x, 1);
		return;
	case 4: /* ACCESS */
		put_post_attr(x, id);
		put(x, n > 2 ? ntohl(arg[2]) : 0);
		return;
	case 6: /* READ */
		want = n > 4 ? ntohl(arg[4]) : 0;
		want = want > 8192 ? 8192 : want & ~3u;
		put_post_attr(x, id);
		put(x, want);
		put(x, 0);
		put(x, want);
		put_zeros(x, want / 4);
		return;
	case 18: /* FSSTAT */
		put_post_attr(x, id);
		put_zeros(x, 13);
		return;
	case 19: /* FSINFO: 8 KiB at a time */
		put_post_attr(x, id);
		for (int i = 0; i < 7; i++)
			put(x, i % 3 == 2 ? 512 : 8192);
		put(x, 0);
		put(x, 1 << 30); /* the longest file */
		put(x, 0);
		put(x, 1); /* time's grain */
		put(x, 0x18);
		return;
	case 20: /* PATHCONF */
		put_post_attr(x, id);
		put(x, 1);
		put(x, 255);
		put(x, 1);
		put_zeros(x, 2);
		put(x, 1);
		return;
	default:
		x->w[x->n - 1] = htonl(10004); /* NFS3ERR_NOTSUPP */
		put_zeros(x, 2);
	}
}

static int read_all(int fd, void *buf, size_t n)
{
	for (char *p = buf; n; ) {
		ssize_t r = read(fd, p, n);

		if (r <= 0)
			return -1;
		p += r;
		n -= r;
	}
	return 0;
}

/* One call, one reply: mark, xid, direction, version, program, its version, procedure, credentials, verifier. */
static int nfs_serve(int fd)
{
	static struct xdr x;
	uint32_t mark, call[2048];
	size_t n, i;

	if (read_all(fd, &mark, 4))
		return -1;
	n = ntohl(mark) & 0x7fffffff;
	if (n > sizeof call || n < 40 || read_all(fd, call, n))
		return -1;
	n /= 4;
	i = 6;
	for (int k = 0; k < 2 && i + 1 < n; k++)
		i += 2 + (ntohl(call[i + 1]) + 3) / 4;
	x.n = 0;
	put(&x, 0); /* the mark, below */
	put(&x, ntohl(call[0]));
	put(&x, 1); /* a reply */
	put_zeros(&x, 4); /* accepted, verifier, success */
	nfs_reply(&x, ntohl(call[3]), ntohl(call[5]), call + (i < n ? i : n), i < n ? n - i : 0);
	x.w[0] = htonl(0x80000000u | (uint32_t)(4 * (x.n - 1)));
	return write(fd, x.w, 4 * x.n) == (ssize_t)(4 * x.n) ? 0 : -1;
}

static int do_nfs(int port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(port),
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct pollfd p[16] = { { .events = POLLIN } };
	int n = 1, on = 1;

	p[0].fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(p[0].fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(p[0].fd, (struct sockaddr *)&sin, sizeof sin) || listen(p[0].fd, 8))
		return 1;
	for (;;) {
		if (poll(p, n, -1) < 0)
			return 1;
		for (int i = n - 1; i > 0; i--)
			if (p[i].revents && nfs_serve(p[i].fd)) {
				close(p[i].fd);
				p[i] = p[--n];
			}
		if (!(p[0].revents & POLLIN) || n == 16)
			continue;
		p[n].fd = accept(p[0].fd, NULL, NULL);
		p[n].events = POLLIN;
		p[n].revents = 0;
		n += p[n].fd >= 0;
	}
}

int main(int argc, char **argv)
{
	const char *v = argc > 1 ? argv[1] : "";

	signal(SIGPIPE, SIG_IGN);
	if (!strcmp(v, "ctl") && argc == 5)
		return do_ctl(argv[2], atof(argv[3]), argv[4]);
	if (!strcmp(v, "qmp") && argc >= 5)
		return do_qmp(argv[2], atof(argv[3]), argc - 4, argv + 4);
	if (!strcmp(v, "standin") && argc == 3)
		return do_standin(argv[2]);
	if (!strcmp(v, "send") && argc == 5)
		return do_send(argv[2], atof(argv[3]), argv[4]);
	if (!strcmp(v, "freeport"))
		return do_freeport();
	if (!strcmp(v, "starttime") && argc == 3) {
		long long t = start_time(atoi(argv[2]));

		if (t < 0)
			return 1;
		printf("%lld\n", t);
		return 0;
	}
	if (!strcmp(v, "now")) {
		printf("%lld\n", now_ms());
		return 0;
	}
	if (!strcmp(v, "spawn") && argc >= 4)
		return do_spawn(argv[2], argv + 3);
	if (!strcmp(v, "nfs") && argc == 3)
		return do_nfs(atoi(argv[2]));
	fprintf(stderr, "labtool: ctl, qmp, standin, send, freeport, starttime, now, spawn, nfs: see the top of labtool.c\n");
	return 2;
}
