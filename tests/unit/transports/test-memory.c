/* SPDX-License-Identifier: Apache-2.0
 *
 * Where QEMU has a guest's memory by its mappings, and whether the monitor
 * agrees.
 */
#include "tests/unit/transports/memory-bed.h"

#include "base/clock.h"
#include "base/opener.h"
#include "tests/lib/tmpdir.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- mappings ---- */

/* 256 MiB behind something that the kernel could have joined with it. */
#define BEFORE                                                                \
  "555e13f4e000-555e142f7000 rw-p 00de3000 fe:00 10977377    /usr/bin/qemu\n" \
  "555e15bc5000-555e16c23000 rw-p 00000000 00:00 0           [heap]\n"        \
  "7f629c000000-7f629c30d000 rw-p 00000000 00:00 0 \n"                        \
  "7f629c30d000-7f62a0000000 ---p 00000000 00:00 0 \n"
#define AFTER                                                                 \
  "7f62b3e00000-7f62b3e01000 ---p 00000000 00:00 0 \n"                        \
  "7f62bc000000-7f62bffff000 rwxp 00000000 00:00 0 \n"                        \
  "7f62bffff000-7f62c0000000 ---p 00000000 00:00 0 \n"
#define RAM 0x7f62a3e00000ull

static int
place (const char *line, const char *maps, struct memory_map *ret,
       struct error *err)
{
  struct memory_plan p;

  assert_int_equal (plan (line, NULL, &p, NULL), 0);
  return memory_plan_place (&p, maps, strlen (maps), ret, err);
}

static void
finds_anonymous_memory (void **state)
{
  static const char *const shapes[] = {
    BEFORE "7f62a2c7c000-7f62a3e00000 rw-p 00000000 00:00 0 \n"
           "7f62a3e00000-7f62b3e00000 rw-p 00000000 00:00 0 \n" AFTER,
    /* Split by the kernel. */
    BEFORE "7f62a3e00000-7f62a8000000 rw-p 00000000 00:00 0 \n"
           "7f62a8000000-7f62b3e00000 rw-p 00000000 00:00 0 \n" AFTER,
    /* Joined with what lies before it. */
    BEFORE "7f62a2c7c000-7f62b3e00000 rw-p 00000000 00:00 0 \n" AFTER,
    /* Another of its size, without a page behind it that nobody may touch. */
    BEFORE "7f6280000000-7f6290000000 rw-p 00000000 00:00 0 \n"
           "7f62a3e00000-7f62b3e00000 rw-p 00000000 00:00 0 \n" AFTER,
  };
  struct memory_map map;

  for (unsigned i = 0; i < ARRAY_LEN (shapes); i++)
    {
      struct error err = ERROR_INIT;

      if (place (X86 "-m 256", shapes[i], &map, &err) < 0)
        fail_msg ("%u: %s", i, error_text (&err));
      assert_int_equal (map.n, 1);
      assert_false (map.file);
      assert_int_equal (map.ranges[0].at, RAM);
      assert_int_equal (map.ranges[0].va, RAM);
      assert_int_equal (map.size, 256 * MiB);
      assert_string_equal (map.note, "");
    }
}

static void
says_when_it_cannot_be_told (void **state)
{
  static const char two[]
      = "7f6280000000-7f6290000000 rw-p 00000000 00:00 0 \n"
        "7f6290000000-7f6290001000 ---p 00000000 00:00 0 \n"
        "7f62a3e00000-7f62b3e00000 rw-p 00000000 00:00 0 \n" AFTER;
  struct memory_map map;

  assert_int_equal (place (X86 "-m 256", two, &map, NULL), -EEXIST);
  assert_int_equal (place (X86 "-m 257", two, &map, NULL), -ENOENT);
  assert_int_equal (place (X86 "-m 256", "", &map, NULL), -ENOENT);
  assert_int_equal (place (X86 "-m 256", "\n\nzz-yy rw-p\n7", &map, NULL),
                    -ENOENT);
  /* Two nodes as large: from the top down, and said to be a guess. */
  assert_int_equal (
      place (X86 "-m 512 -object memory-backend-ram,id=a,size=256M -object "
                 "memory-backend-ram,id=b,size=256M -numa node,memdev=a "
                 "-numa node,memdev=b",
             two, &map, NULL),
      0);
  assert_int_equal (map.ranges[0].va, RAM);
  assert_int_equal (map.ranges[1].va, 0x7f6280000000);
  assert_non_null (strstr (map.note, "guess"));
}

/* Which of two nodes is which says the monitor. */
static void
asks_which_is_which (void **state)
{
  static const char nodes[]
      = X86 "-m 512 -object memory-backend-ram,id=a,size=256M -object "
            "memory-backend-ram,id=b,size=256M -numa node,memdev=a "
            "-numa node,memdev=b";
  static const char two[]
      = "7f6280000000-7f6290000000 rw-p 00000000 00:00 0 \n"
        "7f6290000000-7f6290001000 ---p 00000000 00:00 0 \n"
        "7f62a3e00000-7f62b3e00000 rw-p 00000000 00:00 0 \n" AFTER;
  const uint64_t other = 0x7f6280000000;
  /* As it has them, the second in two pieces. */
  struct memory_range said[] = { { 0, 0xa0000, 0, other },
                                 { 0xa0000, 0x20000, 0, 0x7f0000000000 },
                                 { 0xc0000, 256 * MiB - 0xc0000, 0,
                                   other + 0xc0000 },
                                 { 256 * MiB, 128 * MiB, 0, RAM },
                                 { 384 * MiB, 128 * MiB, 0, RAM + 128 * MiB } };
  struct memory_map map, by_rules;
  struct error err = ERROR_INIT;

  assert_int_equal (place (nodes, two, &map, NULL), 0);
  by_rules = map;
  assert_true (map.guess);
  assert_int_equal (memory_compare (&map, said, 5, NULL), -ESTALE);
  if (memory_settle (&map, said, 5, &err) < 0)
    fail_msg ("%s", error_text (&err));
  assert_int_equal (map.ranges[0].va, other);
  assert_int_equal (map.ranges[0].at, other);
  assert_int_equal (map.ranges[1].va, RAM);
  assert_false (map.guess);
  assert_string_equal (map.note, "");
  assert_int_equal (memory_compare (&map, said, 5, NULL), 0);
  /* It is the same memory still, by what the rules say. */
  assert_true (memory_map_same (&map, &by_rules));
  /* What it says is none of it, or one for both: then it stays a guess. */
  map = by_rules;
  said[3].va = RAM + MiB;
  assert_int_equal (memory_settle (&map, said, 5, NULL), -ESTALE);
  said[3].va = other;
  assert_int_equal (memory_settle (&map, said, 5, NULL), -ESTALE);
  assert_int_equal (memory_settle (&map, said, 3, NULL), -ESTALE);
  assert_true (map.guess);
  assert_int_equal (map.ranges[0].va, RAM);
  assert_non_null (strstr (map.note, "guess"));
  /* Another word of care stays. */
  said[3].va = RAM;
  snprintf (map.note + strlen (map.note), 40, "; 7 MiB are swapped out");
  assert_int_equal (memory_settle (&map, said, 5, NULL), 0);
  assert_string_equal (map.note, "7 MiB are swapped out");
}

/* Memory that was plugged in later is told from what there was, or nothing is
 * read; that it is there is said. */
static void
sees_what_was_plugged_in (void **state)
{
#define OLD "7f62a3e00000-7f62b3e00000 rw-p 00000000 00:00 0 \n" AFTER
#define PAGE_AT(a, b) a "-" b " ---p 00000000 00:00 0 \n"
  static const char larger[]
      = "7f6260000000-7f6280000000 rw-p 00000000 00:00 0 \n" PAGE_AT (
          "7f6280000000", "7f6280001000") OLD;
  static const char same[]
      = "7f6270000000-7f6280000000 rw-p 00000000 00:00 0 \n" PAGE_AT (
          "7f6280000000", "7f6280001000") OLD;
  static const char joined[]
      = "7f6270000000-7f6280000000 rw-p 00000000 00:00 0 \n" PAGE_AT (
          "7f6280000000", "7f6280001000")
        "7f62a2c7c000-7f62b3e00000 rw-p 00000000 00:00 0 \n" AFTER;
  static const char named[]
      = "7f6260000000-7f6280000000 rw-s 00000000 00:01 9 "
        "/memfd:memory-backend-memfd (deleted)\n" OLD;
  static const char small[]
      = "7f6278001000-7f6280000000 rw-p 00000000 00:00 0 \n" PAGE_AT (
          "7f6280000000", "7f6280001000") OLD;
  static const char line[] = X86 "-m 256,slots=2,maxmem=1G";
  static const struct memory_range all[]
      = { { .gpa = 0, .len = 0xa0000, .va = RAM },
          { .gpa = 0x100000, .len = 255 * MiB, .va = RAM + 0x100000 },
          { .gpa = 0xfffc0000, .len = 0x40000, .va = 0x7f6250000000 },
          { .gpa = 4 * GiB, .len = 512 * MiB, .va = 0x7f6260000000 } };
  struct error err = ERROR_INIT;
  struct memory_map map;

  assert_int_equal (place (line, larger, &map, NULL), 0);
  assert_int_equal (map.ranges[0].va, RAM);
  assert_int_equal (map.n, 1);
  assert_int_equal (map.plugged, 512 * MiB);
  assert_non_null (strstr (map.note, "512 MiB seem to have been plugged in"));
  assert_int_equal (place (line, named, &map, NULL), 0);
  assert_int_equal (map.ranges[0].va, RAM);
  assert_int_equal (map.plugged, 512 * MiB);
  assert_int_equal (place (line, same, &map, &err), -EEXIST);
  assert_non_null (strstr (error_text (&err), "plugged in"));
  /* The new one looks better than the old one. */
  assert_int_equal (place (line, joined, &map, NULL), -EEXIST);
  assert_int_equal (place (line, small, &map, NULL), 0);
  assert_int_equal (map.plugged, 0);
  assert_int_equal (place (line, OLD, &map, NULL), 0);
  assert_int_equal (map.plugged, 0);
  assert_string_equal (map.note, "");
  /* The monitor knows where the guest has it. */
  assert_int_equal (place (line, larger, &map, NULL), 0);
  assert_int_equal (memory_take_plugged (&map, all, ARRAY_LEN (all) - 1, NULL),
                    -ENOENT);
  assert_int_equal (map.n, 1);
  assert_int_equal (memory_take_plugged (&map, all, ARRAY_LEN (all), NULL), 0);
  assert_int_equal (map.n, 2);
  assert_int_equal (map.ranges[1].gpa, 4 * GiB);
  assert_int_equal (map.ranges[1].at, 0x7f6260000000);
  assert_int_equal (map.size, 768 * MiB);
  assert_int_equal (map.plugged, 0);
  assert_string_equal (map.note, "512 MiB were plugged in since it was "
                                 "started: where they are its monitor said");
  /* Where there is no room for it, it is something else. */
  assert_int_equal (place (X86 "-m 256", larger, &map, NULL), 0);
  assert_int_equal (map.plugged, 0);
}

/* The end of a DIMM that was there from the beginning, and was joined with
 * what lies before it, looks like the smaller memory beside it. */
static void
knows_a_dimm_from_the_memory (void **state)
{
  static const char maps[]
      = "7f625ff5b000-7f6280000000 rw-p 00000000 00:00 0 \n" PAGE_AT (
          "7f6280000000", "7f6280001000") OLD;
  struct memory_map map;

  assert_int_equal (place (X86 "-m 256,slots=2,maxmem=4G -object "
                               "memory-backend-ram,id=d,size=512M -device "
                               "pc-dimm,memdev=d",
                           maps, &map, NULL),
                    0);
  assert_int_equal (map.plugged, 0);
  assert_int_equal (map.size, 768 * MiB);
  for (unsigned i = 0; i < map.n; i++)
    if (map.ranges[i].gpa == 4 * GiB)
      assert_int_equal (map.ranges[i].va, 0x7f6260000000);
    else
      assert_true (map.ranges[i].va >= RAM);
}

static void
finds_files (void **state)
{
  static const char memfd[]
      = BEFORE
      "7f6280000000-7f6288000000 rw-s 00000000 00:01 77 /memfd:x (deleted)\n"
      "7f6288000000-7f6290000000 rw-s 08000000 00:01 77 /memfd:x (deleted)\n"
      "7f62a3e00000-7f62b3e00000 rw-p 00000000 00:00 0 \n" AFTER;
  static const char file[]
      = "7f6280000000-7f6290000000 rw-p 00000000 00:31 9 "
        "/dev/hugepages/libvirt/qemu/1-a/qemu_back_mem._objects_pc.ram.Xy1 "
        "(deleted)\n"
        "7f62a0000000-7f62b0000000 rw-p 00000000 00:31 8 /srv/other\n";
  struct memory_map map;

  assert_int_equal (
      place (X86 "-m 256 -M q35,memory-backend=pc.ram -object "
                 "memory-backend-memfd,id=pc.ram,size=256M",
             memfd, &map, NULL),
      0);
  assert_true (map.file);
  assert_string_equal (map.mapping, "7f6280000000-7f6288000000");
  assert_int_equal (map.ranges[0].at, 0);
  assert_int_equal (map.ranges[0].va, 0x7f6280000000);
  /* A private mapping of a file: what the guest wrote is not in the file. */
  assert_int_equal (
      place (X86 "-m 256 -M q35,memory-backend=pc.ram -object "
                 "memory-backend-file,id=pc.ram,size=256M,mem-path="
                 "/dev/hugepages/libvirt/qemu/1-a",
             file, &map, NULL),
      0);
  assert_false (map.file);
  assert_int_equal (map.ranges[0].at, 0x7f6280000000);
}

/* ---- the monitor ---- */

static const char mtree[]
    = "FlatView #0\r\n AS \"mch\", root: bus master container\r\n"
      " Root memory region: (none)\r\n  No rendered FlatView\r\n\r\n"
      "FlatView #1\r\n AS \"cpu-smm-0\", root: memory\r\n"
      " Root memory region: memory\r\n"
      "  0000000000000000-00000000000000ff (prio 0, ram): other\r\n\r\n"
      "FlatView #3\r\n AS \"memory\", root: system\r\n"
      " AS \"cpu-memory-0\", root: system\r\n Root memory region: system\r\n"
      "  0000000000000000-00000000000c2fff (prio 0, ram): pc.ram\r\n"
      "  00000000000c3000-00000000000e7fff (prio 0, rom): pc.ram @0c3000\r\n"
      "  0000000000100000-000000000fffffff (prio 0, ram): pc.ram @100000\r\n"
      "  00000000b0000000-00000000bfffffff (prio 0, i/o): pcie-mmcfg\r\n"
      "  00000000fffc0000-00000000ffffffff (prio 0, rom): pc.bios\r\n\r\n"
      "FlatView #4\r\n AS \"I/O\", root: io\r\n Root memory region: io\r\n"
      "  0000000000000000-0000000000000007 (prio 0, ram): dma-chan\r\n";

/* A module was taken out, or QEMU has it elsewhere: what was opened is not to
 * be read any more. */
static void
sees_that_it_moved (void **state)
{
  struct memory_map a = { .n = 2,
                          .ranges = { { 0, 256 * MiB, RAM, RAM },
                                      { 4 * GiB, MiB, RAM + GiB, RAM + GiB } },
                          .nrule = 2,
                          .rule_va = { RAM, RAM + GiB } };
  struct memory_map b = a;

  b.file = !a.file;
  b.ranges[1].at = 0; /* of a file it is another */
  snprintf (b.note, sizeof b.note, "swapped out");
  assert_true (memory_map_same (&a, &b));
  b.nrule = 1;
  assert_false (memory_map_same (&a, &b));
  assert_false (memory_map_same (&b, &a));
  b.nrule = 2;
  b.rule_va[1] += 4096;
  assert_false (memory_map_same (&a, &b));
  b = a;
  b.plugged_id = 1;
  assert_false (memory_map_same (&a, &b));
  b = a;
  b.ranges[0].len /= 2;
  assert_false (memory_map_same (&a, &b));
  b = a;
  b.ranges[1].gpa += MiB;
  assert_false (memory_map_same (&a, &b));
}

/* It is said that it ended, also while nobody has waited for it. */
static void
says_that_it_ended (void **state)
{
  static struct opener opener; /* is not asked that far */
  const struct transport_env env = { .opener = &opener };
  struct guest g = { .display = "web-1" };
  struct error err = ERROR_INIT;
  struct memory m;
  siginfo_t info;
  pid_t pid = fork ();

  if (pid == 0)
    _exit (0);
  assert_int_equal (waitid (P_PID, (id_t) pid, &info, WEXITED | WNOWAIT), 0);
  g.inc.pid = pid;
  assert_int_equal (proc_start_time (pid, &g.inc.start_time, NULL), 0);
  assert_int_equal (memory_open (&env, &g, clock_ms () + 60000, &m, &err),
                    -ESTALE);
  assert_non_null (strstr (error_text (&err), "web-1"));
  assert_non_null (strstr (error_text (&err), "has ended"));
  waitpid (pid, NULL, 0);
  assert_int_equal (memory_open (&env, &g, clock_ms () + 60000, &m, &err),
                    -ESTALE);
}

/* ---- its configuration file ---- */

/* What the keeper is to the daemon: it opens beneath one folder. */
struct fussy
{
  struct opener opener;
  const char *root; /* NULL = none */
  unsigned asked;   /* for files */
};

static int
open_there (struct opener *self, const struct open_req *req, uint64_t deadline,
            int *ret_fd, int *ret_lock, struct error *err)
{
  struct fussy *f = (struct fussy *) self;

  if (req->kind != OPEN_FILE)
    return opener_do (req, ret_fd, ret_lock, err);
  f->asked++;
  if (!f->root || strcmp (req->root, f->root) != 0)
    return error_set (err, EPERM, "not among the folders");
  return opener_do (req, ret_fd, ret_lock, err);
}

/* A process that says that it is a QEMU. */
static pid_t
false_qemu (const char *config, struct guest *g)
{
  char *argv[] = { (char *) "qemu-system-x86_64", (char *) "-readconfig",
                   (char *) config, NULL };
  char self[PATH_MAX] = "";
  int pair[2];
  pid_t pid;
  char c;

  assert_true (readlink ("/proc/self/exe", self, sizeof self - 1) > 0);
  assert_int_equal (pipe (pair), 0);
  pid = fork ();
  if (pid == 0)
    {
      prctl (PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
      dup2 (pair[1], 1);
      execv (self, argv);
      _exit (1);
    }
  close (pair[1]);
  assert_int_equal (read (pair[0], &c, 1), 1); /* it is another by now */
  close (pair[0]);
  g->inc.pid = pid;
  assert_int_equal (proc_start_time (pid, &g->inc.start_time, NULL), 0);
  return pid;
}

static _Noreturn void
be_a_qemu (void)
{
  if (write (1, "!", 1) == 1)
    pause ();
  _exit (0);
}

static void
write_file (const char *path, const char *text, size_t more)
{
  int fd = open (path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

  assert_true (fd >= 0);
  assert_int_equal (write (fd, text, strlen (text)), strlen (text));
  assert_int_equal (ftruncate (fd, (off_t) (strlen (text) + more)), 0);
  close (fd);
}

/* By the opener, beneath a folder that it has, and in no other way: anybody
 * who starts a process names files as he likes. */
static void
opens_its_configuration_by_the_opener (void **state)
{
  static const struct
  {
    bool root, fifo;
    size_t more; /* bytes behind the text */
    bool unread;
  } cases[] = {
    /* It was read: then there is no memory of that size to be found in this
     * process, unless by chance in what a sanitizer has. */
    { true, false, 0, false },
    { false, false, 0, true },
    { true, true, 0, true },
    { true, false, 1u << 20, true },
  };
  struct tmpdir tmp;
  char folder[PATH_MAX], conf[PATH_MAX];

  tmpdir_make (&tmp);
  snprintf (folder, sizeof folder, "%s/a", tmp.path);
  assert_int_equal (mkdir (folder, 0755), 0);
  snprintf (conf, sizeof conf, "%s/a/vm.cfg", tmp.path);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    {
      struct fussy f = { .opener = { .open = open_there },
                         .root = cases[i].root ? tmp.path : NULL };
      const struct transport_env env = { .opener = &f.opener };
      struct guest g = { .display = "web-1" };
      struct error err = ERROR_INIT;
      struct memory m;
      pid_t pid;

      unlink (conf);
      if (cases[i].fifo)
        assert_int_equal (mkfifo (conf, 0644), 0);
      else
        write_file (conf, "[machine]\n  type = \"q35\"\n[memory]\n"
                          "  size = \"3072\"\n",
                    cases[i].more);
      pid = false_qemu (conf, &g);
      if (memory_open (&env, &g, clock_ms () + 60000, &m, &err) == 0)
        memory_done (&m);
      assert_true (f.asked >= 1 && f.asked <= 16);
      if ((strstr (error_text (&err), "cannot be read") != NULL)
          != cases[i].unread)
        fail_msg ("%zu: %s", i, error_text (&err));
      kill (pid, SIGKILL);
      waitpid (pid, NULL, 0);
    }
  tmpdir_done (&tmp);
}

static void
asks_the_monitor (void **state)
{
  struct memory_range said[8];
  struct memory_map map = { .n = 1, .ranges = { { 0, 256 * MiB, RAM, RAM } } };
  int n = memory_mtree_parse (mtree, sizeof mtree - 1, said, 8, NULL);

  assert_int_equal (n, 4);
  assert_int_equal (said[1].gpa, 0xc3000);
  assert_int_equal (said[2].len, 255 * MiB);
  for (int i = 0; i < 3; i++)
    said[i].va = RAM + said[i].gpa;
  said[3].va = 0x7f6290000000;
  assert_int_equal (memory_compare (&map, said, 4, NULL), 0);
  /* The firmware's, until it is shadowed. */
  said[1].va = 1;
  assert_int_equal (memory_compare (&map, said, 4, NULL), 0);
  said[2].va += 4096;
  assert_int_equal (memory_compare (&map, said, 4, NULL), -ESTALE);
  said[2].va -= 4096;
  map.ranges[1] = (struct memory_range){ 4 * GiB, MiB, 0, 0 };
  map.n = 2;
  assert_int_equal (memory_compare (&map, said, 4, NULL), -ESTALE);
  assert_int_equal (memory_mtree_parse (mtree, sizeof mtree - 1, said, 2, NULL),
                    -E2BIG);
  assert_int_equal (memory_mtree_parse ("unknown", 7, said, 2, NULL), -EBADMSG);
}

static void
trims_registers (void **state)
{
  char x86[] = "\r\nCPU#0\r\nRAX=1 RBX=2\r\nDR6=0\r\nFCW=037f FSW=0000\r\n"
               "XMM00=4b4559\r\nXMM15=1\r\nCPU#1\r\nRIP=5\r\nYMM0=1";
  char arm[] = " PC=ffff X00=1\nPSTATE=60 -ZC- EL1h\nQ00=1:2 Q01=3:4\n"
               "P00=1\nZ00=4\nX29=1\n";

  x86[memory_registers_trim (x86, strlen (x86))] = '\0';
  assert_string_equal (x86, "\r\nCPU#0\r\nRAX=1 RBX=2\r\nCPU#1\r\nRIP=5\r\n");
  arm[memory_registers_trim (arm, strlen (arm))] = '\0';
  assert_string_equal (arm, " PC=ffff X00=1\nPSTATE=60 -ZC- EL1h\nX29=1\n");
  assert_int_equal (memory_registers_trim (arm, 0), 0);
}

int
main (int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (finds_anonymous_memory),
    cmocka_unit_test (says_when_it_cannot_be_told),
    cmocka_unit_test (asks_which_is_which),
    cmocka_unit_test (sees_what_was_plugged_in),
    cmocka_unit_test (knows_a_dimm_from_the_memory),
    cmocka_unit_test (finds_files),
    cmocka_unit_test (asks_the_monitor),
    cmocka_unit_test (sees_that_it_moved),
    cmocka_unit_test (says_that_it_ended),
    cmocka_unit_test (opens_its_configuration_by_the_opener),
    cmocka_unit_test (trims_registers),
  };

  if (strncmp (argv[0], "qemu", 4) == 0)
    be_a_qemu ();
  return cmocka_run_group_tests (tests, NULL, NULL);
}
