// SPDX-License-Identifier: GPL-2.0
/*
 * zoo - faults that userspace cannot make, for the guests of hangdog's lab.
 *
 * This one file is GPL-2.0 and not Apache-2.0 like the rest of hangdog: a kernel module that
 * uses EXPORT_SYMBOL_GPL symbols must be. It is never linked with, nor shipped in, hangdog; it is
 * built on the developer's machine and lives in the lab guest's initramfs only.
 *
 * Orders are lines written to /proc/zoo:
 *
 *   hardlockup CPU    irqs off, spins               softlockup CPU   preemption off, spins
 *   mutex             a holder sleeps, a waiter D   abba             two tasks, two mutexes
 *   mutexwait         the writer itself waits, D    dstate           a task in D for ever
 *   rcustall CPU      a reader that never ends      wqlockup CPU     a work item that never ends
 *   spinlock A B      B spins for the lock A holds  irqoff-all       irqs off on every CPU
 *   oops              NULL dereference in a kthread panic            panic()
 *   leak MB           pages that never come back     ipi A B          A waits for B, whose irqs are off
 *   rwsem             the writer waits for a reader      semwait          the writer waits for a semaphore
 *   bug               BUG()                          divide           a division by nothing
 *   recurse           the stack runs over            inode PATH       somebody sleeps with its lock
 *   wqsleep           a work sleeps for ever, and the writer waits for the one behind it
 *
 * What kills the guest starts DELAY_MS after the order, so the one who ordered gets an answer
 * and the test knows that what follows is the fault and not a broken order. Each fault spins or
 * sleeps in a function of its own name: a diagnosis that is right can name it.
 */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/namei.h>
#include <linux/nmi.h>
#include <linux/proc_fs.h>
#include <linux/rcupdate.h>
#include <linux/rwsem.h>
#include <linux/sched.h>
#include <linux/semaphore.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>
#include <linux/version.h>
#include <linux/workqueue.h>

#define DELAY_MS 300

/* Since 6.4 it is told how many may have it. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
#define DEFINE_SEMAPHORE_ONE(name) DEFINE_SEMAPHORE(name, 1)
#else
#define DEFINE_SEMAPHORE_ONE(name) DEFINE_SEMAPHORE(name)
#endif

static DEFINE_MUTEX(zoo_mutex);
static DEFINE_MUTEX(zoo_mutex_a);
static DEFINE_MUTEX(zoo_mutex_b);
static DECLARE_RWSEM(zoo_rwsem);
static DEFINE_SEMAPHORE_ONE(zoo_sem);
static DEFINE_SPINLOCK(zoo_lock);
static DECLARE_COMPLETION(zoo_held);
static DECLARE_COMPLETION(zoo_a_held);
static DECLARE_COMPLETION(zoo_b_held);
static struct work_struct zoo_hog_work;
static struct work_struct zoo_behind_work;

static int zoo_hardlockup(void *arg)
{
	msleep(DELAY_MS);
	local_irq_disable();
	for (;;)
		cpu_relax();
	return 0;
}

static int zoo_softlockup(void *arg)
{
	msleep(DELAY_MS);
	preempt_disable();
	for (;;)
		cpu_relax();
	return 0;
}

/* The holder sleeps interruptibly: only the waiter is in D, and the culprit is not the one in D. */
static int zoo_mutex_holder(void *arg)
{
	mutex_lock(&zoo_mutex);
	complete_all(&zoo_held);
	for (;;)
		schedule_timeout_interruptible(HZ * 3600);
	return 0;
}

static int zoo_mutex_waiter(void *arg)
{
	wait_for_completion(&zoo_held);
	mutex_lock(&zoo_mutex);
	mutex_unlock(&zoo_mutex);
	return 0;
}

static int zoo_abba_first(void *arg)
{
	mutex_lock(&zoo_mutex_a);
	complete_all(&zoo_a_held);
	wait_for_completion(&zoo_b_held);
	mutex_lock(&zoo_mutex_b);
	return 0;
}

static int zoo_abba_second(void *arg)
{
	mutex_lock(&zoo_mutex_b);
	complete_all(&zoo_b_held);
	wait_for_completion(&zoo_a_held);
	mutex_lock(&zoo_mutex_a);
	return 0;
}

static int zoo_dstate(void *arg)
{
	for (;;)
		schedule_timeout_uninterruptible(HZ * 3600);
	return 0;
}

/* The soft lockup detector is kept quiet, so that what the kernel reports is the RCU stall. */
static int zoo_rcustall(void *arg)
{
	msleep(DELAY_MS);
	rcu_read_lock();
	preempt_disable();
	for (;;) {
		touch_softlockup_watchdog();
		cpu_relax();
	}
	return 0;
}

/*
 * Preemption is off, because since 6.6 the workqueue code sees a busy item and lets another
 * worker run beside it: it then has no CPU to run on, and the pool is stuck all the same.
 */
static void zoo_wqlockup(struct work_struct *work)
{
	msleep(DELAY_MS);
	preempt_disable();
	for (;;) {
		touch_softlockup_watchdog();
		cpu_relax();
	}
}

/* It keeps no CPU: others run, but those of its queue, of which one is let run at a time. */
static void zoo_wqsleep(struct work_struct *work)
{
	for (;;)
		schedule_timeout_uninterruptible(HZ * 3600);
}

static void zoo_wq_behind(struct work_struct *work)
{
}

static int zoo_spin_holder(void *arg)
{
	msleep(DELAY_MS);
	spin_lock(&zoo_lock);
	complete_all(&zoo_held);
	for (;;)
		cpu_relax();
	return 0;
}

static int zoo_spin_waiter(void *arg)
{
	wait_for_completion(&zoo_held);
	spin_lock(&zoo_lock);
	return 0;
}

static int zoo_ipi_off(void *arg)
{
	msleep(DELAY_MS);
	local_irq_disable();
	complete_all(&zoo_held);
	for (;;)
		cpu_relax();
	return 0;
}

static void zoo_ipi_answer(void *arg)
{
}

static int zoo_ipi_wait(void *arg)
{
	wait_for_completion(&zoo_held);
	smp_call_function_single((long)arg, zoo_ipi_answer, NULL, 1);
	return 0;
}

static int zoo_panic(void *arg)
{
	msleep(DELAY_MS);
	panic("zoo: panic as ordered");
	return 0;
}

static int zoo_oops(void *arg)
{
	msleep(DELAY_MS);
	WRITE_ONCE(*(int *)arg, 1);
	return 0;
}

static int zoo_bug(void *arg)
{
	msleep(DELAY_MS);
	BUG();
	return 0;
}

static int zoo_divide(void *arg)
{
	volatile int nothing = (long)arg;

	msleep(DELAY_MS);
	return DELAY_MS / nothing;
}

static bool zoo_far_enough; /* never */

/* Each step writes to its part of the stack, so that none is left out, nor jumped to. */
static noinline int zoo_deeper(int n)
{
	volatile char here[512];

	here[n % sizeof(here)] = n;
	if (READ_ONCE(zoo_far_enough))
		return n;
	return zoo_deeper(n + 1) + here[(n + 7) % sizeof(here)];
}

static int zoo_recurse(void *arg)
{
	msleep(DELAY_MS);
	return zoo_deeper(0);
}

static int zoo_rwsem_reader(void *arg)
{
	down_read(&zoo_rwsem);
	complete_all(&zoo_held);
	for (;;)
		schedule_timeout_interruptible(HZ * 3600);
	return 0;
}

static int zoo_rwsem_writer(void *arg)
{
	wait_for_completion(&zoo_held);
	down_write(&zoo_rwsem);
	up_write(&zoo_rwsem);
	return 0;
}

static int zoo_sem_taker(void *arg)
{
	down(&zoo_sem);
	complete_all(&zoo_held);
	for (;;)
		schedule_timeout_interruptible(HZ * 3600);
	return 0;
}

static int zoo_inode_holder(void *arg)
{
	inode_lock(arg);
	complete_all(&zoo_held);
	for (;;)
		schedule_timeout_interruptible(HZ * 3600);
	return 0;
}

static int zoo_run_with(int (*fn)(void *), long arg, const char *name, int cpu)
{
	struct task_struct *t;

	if (cpu >= 0 && (cpu >= nr_cpu_ids || !cpu_online(cpu)))
		return -ENODEV;
	t = kthread_create(fn, (void *)arg, "%s", name);
	if (IS_ERR(t))
		return PTR_ERR(t);
	if (cpu >= 0)
		kthread_bind(t, cpu);
	wake_up_process(t);
	return 0;
}

static int zoo_run(int (*fn)(void *), const char *name, int cpu)
{
	return zoo_run_with(fn, 0, name, cpu);
}

static int zoo_leak(unsigned long mb)
{
	unsigned long i;

	/* Touched, so that it is the guest's memory that goes and not a promise of it. */
	for (i = 0; i < mb * 256; i++) {
		struct page *p = alloc_page(GFP_HIGHUSER | __GFP_NORETRY | __GFP_NOWARN | __GFP_ZERO);

		if (!p)
			return -ENOMEM;
		cond_resched();
	}
	return 0;
}

/* The path stays looked up: its inode has to outlive who sleeps with it. */
static int zoo_inode(char *name)
{
	struct path path;
	int rc;

	rc = kern_path(strim(name), LOOKUP_FOLLOW, &path);
	if (rc)
		return rc;
	return zoo_run_with(zoo_inode_holder, (long)d_inode(path.dentry), "zoo_inode", -1);
}

static int zoo_wqsleep_behind(void)
{
	static struct work_struct first, second;
	struct workqueue_struct *queue = alloc_ordered_workqueue("zoo_queue", 0);

	if (!queue)
		return -ENOMEM;
	INIT_WORK(&first, zoo_wqsleep);
	INIT_WORK(&second, zoo_wq_behind);
	queue_work(queue, &first);
	queue_work(queue, &second);
	flush_work(&second);
	return 0;
}

static int zoo_do(char *line)
{
	char name[32];
	unsigned int a = 0, b = 0;
	int n, cpu, rc;

	n = sscanf(line, "%31s %u %u", name, &a, &b);
	if (n < 1)
		return -EINVAL;

	if (!strcmp(name, "hardlockup"))
		return zoo_run(zoo_hardlockup, "zoo_hardlockup", a);
	if (!strcmp(name, "softlockup"))
		return zoo_run(zoo_softlockup, "zoo_softlockup", a);
	if (!strcmp(name, "rcustall"))
		return zoo_run(zoo_rcustall, "zoo_rcustall", a);
	if (!strcmp(name, "oops"))
		return zoo_run(zoo_oops, "zoo_oops", -1);
	if (!strcmp(name, "panic"))
		return zoo_run(zoo_panic, "zoo_panic", -1);
	if (!strcmp(name, "bug"))
		return zoo_run(zoo_bug, "zoo_bug", -1);
	if (!strcmp(name, "divide"))
		return zoo_run(zoo_divide, "zoo_divide", -1);
	if (!strcmp(name, "recurse"))
		return zoo_run(zoo_recurse, "zoo_recurse", -1);
	if (!strcmp(name, "inode"))
		return zoo_inode(line + 5);
	if (!strcmp(name, "rwsem")) {
		rc = zoo_run(zoo_rwsem_reader, "zoo_rwsem_reader", -1);
		return rc ? rc : zoo_rwsem_writer(NULL);
	}
	if (!strcmp(name, "semwait")) {
		rc = zoo_run(zoo_sem_taker, "zoo_sem_taker", -1);
		if (rc)
			return rc;
		wait_for_completion(&zoo_held);
		down(&zoo_sem);
		return 0;
	}
	if (!strcmp(name, "dstate"))
		return zoo_run(zoo_dstate, "zoo_dstate", -1);
	if (!strcmp(name, "mutex")) {
		rc = zoo_run(zoo_mutex_holder, "zoo_holder", -1);
		return rc ? rc : zoo_run(zoo_mutex_waiter, "zoo_waiter", -1);
	}
	if (!strcmp(name, "mutexwait")) {
		rc = zoo_run(zoo_mutex_holder, "zoo_holder", -1);
		return rc ? rc : zoo_mutex_waiter(NULL);
	}
	if (!strcmp(name, "abba")) {
		rc = zoo_run(zoo_abba_first, "zoo_abba_first", -1);
		return rc ? rc : zoo_run(zoo_abba_second, "zoo_abba_secnd", -1);
	}
	if (!strcmp(name, "spinlock")) {
		if (n < 3 || a == b)
			return -EINVAL;
		rc = zoo_run(zoo_spin_holder, "zoo_spin_holder", a);
		return rc ? rc : zoo_run(zoo_spin_waiter, "zoo_spin_waiter", b);
	}
	if (!strcmp(name, "ipi")) {
		if (n < 3 || a == b)
			return -EINVAL;
		rc = zoo_run(zoo_ipi_off, "zoo_ipi_off", b);
		return rc ? rc : zoo_run_with(zoo_ipi_wait, b, "zoo_ipi_wait", a);
	}
	if (!strcmp(name, "wqlockup")) {
		if (a >= nr_cpu_ids || !cpu_online(a))
			return -ENODEV;
		schedule_work_on(a, &zoo_hog_work);
		schedule_work_on(a, &zoo_behind_work);
		return 0;
	}
	if (!strcmp(name, "irqoff-all")) {
		for_each_online_cpu(cpu) {
			rc = zoo_run(zoo_hardlockup, "zoo_irqoff", cpu);
			if (rc)
				return rc;
		}
		return 0;
	}
	if (!strcmp(name, "wqsleep"))
		return zoo_wqsleep_behind();
	if (!strcmp(name, "leak"))
		return zoo_leak(a);
	return -EINVAL;
}

static ssize_t zoo_write(struct file *f, const char __user *buf, size_t len, loff_t *off)
{
	char line[64];
	int rc;

	if (len >= sizeof(line))
		return -EINVAL;
	if (copy_from_user(line, buf, len))
		return -EFAULT;
	line[len] = '\0';
	rc = zoo_do(line);
	return rc ? rc : len;
}

static const struct proc_ops zoo_ops = {
	.proc_write = zoo_write,
	.proc_lseek = noop_llseek,
};

static int __init zoo_init(void)
{
	INIT_WORK(&zoo_hog_work, zoo_wqlockup);
	INIT_WORK(&zoo_behind_work, zoo_wq_behind);
	return proc_create("zoo", 0200, NULL, &zoo_ops) ? 0 : -ENOMEM;
}

/* No exit function: most of these faults cannot be taken back, so the module cannot be either. */
module_init(zoo_init);
MODULE_DESCRIPTION("faults for the guests of hangdog's lab");
MODULE_LICENSE("GPL");
