// SPDX-License-Identifier: Apache-2.0
/*
 * labd shop PORT [FILE] - an application for the lab's guests: it answers each connection with a line, and gets stuck
 * in the ways that applications do when it is told to by a signal:
 *
 *   USR1  two threads wait for each other's mutex, and who serves for one of them
 *   USR2  who serves goes round in a loop
 *   HUP   nobody takes connections any more: the queue of the socket fills
 *   ALRM  it takes memory until it is killed
 *   TTIN  it reads FILE past the cache, again and again, before it serves
 *
 * labd shop-ask PORT - asks it: 0 when it answers within 3 s.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

int do_shop(int argc, char **argv);
int do_shop_ask(int argc, char **argv);

static volatile sig_atomic_t order;
static pthread_mutex_t stock = PTHREAD_MUTEX_INITIALIZER, till = PTHREAD_MUTEX_INITIALIZER;

static void on_order(int sig)
{
	order = sig;
}

static void *shop_first(void *arg)
{
	pthread_mutex_lock(&stock);
	usleep(300000);
	pthread_mutex_lock(&till);
	return arg;
}

static void *shop_second(void *arg)
{
	pthread_mutex_lock(&till);
	usleep(300000);
	pthread_mutex_lock(&stock);
	return arg;
}

static void shop_sick(int how, const char *file)
{
	pthread_t a, b;
	void *page;
	int fd;

	switch (how) {
	case SIGUSR1:
		pthread_create(&a, NULL, shop_first, NULL);
		pthread_create(&b, NULL, shop_second, NULL);
		usleep(600000);
		pthread_mutex_lock(&stock);
		break;
	case SIGUSR2:
		for (;;)
			__asm__ volatile("");
	case SIGHUP:
		for (;;)
			pause();
	case SIGALRM:
		for (;;) {
			char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

			if (p != MAP_FAILED)
				memset(p, 0x5a, 1 << 20);
		}
	case SIGTTIN:
		fd = open(file, O_RDONLY | O_DIRECT | O_CLOEXEC);
		if (fd < 0 || posix_memalign(&page, 4096, 4096))
			return;
		for (;;)
			if (pread(fd, page, 4096, 0) < 0)
				usleep(100000);
	}
}

int do_shop(int argc, char **argv)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(argc > 0 ? atoi(argv[0]) : 8080) };
	static const int orders[] = { SIGUSR1, SIGUSR2, SIGHUP, SIGALRM, SIGTTIN };
	struct sigaction sa = { .sa_handler = on_order };
	int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	prctl(PR_SET_NAME, "shop");
	signal(SIGPIPE, SIG_IGN);
	/* Without SA_RESTART: accept() comes back, and the order is done at once. */
	for (size_t i = 0; i < sizeof orders / sizeof *orders; i++)
		sigaction(orders[i], &sa, NULL);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(fd, (struct sockaddr *)&sin, sizeof sin) || listen(fd, 2))
		return 1;
	for (;;) {
		int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

		if (order)
			shop_sick(order, argc > 1 ? argv[1] : "/dev/vda");
		if (peer < 0)
			continue;
		if (write(peer, "shop: open\n", 11) < 0)
			on = 0;
		close(peer);
	}
}

int do_shop_ask(int argc, char **argv)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(argc > 0 ? atoi(argv[0]) : 8080),
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval tv = { .tv_sec = 3 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char c[16];

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv);
	if (connect(fd, (struct sockaddr *)&sin, sizeof sin))
		return 1;
	return read(fd, c, sizeof c) > 0 ? 0 : 1;
}
