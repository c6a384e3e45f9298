/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a guest stands.  See stage.h; the lines themselves are in
 * stage_marks.c.
 *
 * Stages go forward.  Back goes only a new boot, and what is no sure sign of
 * one is ignored: a boot that is told late is mended by the next line, one
 * that never was cuts a life in two.
 */
#include "kernel/text/stage_impl.h"

#include "base/cleanup.h"

#include <string.h>

const char *const text_stage_names[]
    = { [STAGE_UNKNOWN] = "unknown",       [STAGE_FIRMWARE] = "firmware",
        [STAGE_BOOTLOADER] = "bootloader", [STAGE_KERNEL] = "kernel",
        [STAGE_INITRAMFS] = "initramfs",   [STAGE_USERSPACE] = "userspace",
        [STAGE_LOGIN] = "login",           [STAGE_SHELL] = "shell",
        [STAGE_SHUTDOWN] = "shutdown",     [STAGE_MAX] = NULL };

const char *const text_stop_names[]
    = { [STOP_NONE] = "none",
        [STOP_NO_BOOT_DEVICE] = "no-boot-device",
        [STOP_FIRMWARE_SHELL] = "firmware-shell",
        [STOP_BOOTLOADER] = "bootloader",
        [STOP_INITRAMFS] = "initramfs",
        [STOP_FSCK] = "fsck",
        [STOP_MAINTENANCE] = "maintenance",
        [STOP_PASSPHRASE] = "passphrase",
        [STOP_NO_ROOT] = "no-root",
        [STOP_HALTED] = "halted",
        [STOP_PANIC] = "panic",
        [STOP_MAX] = NULL };

enum flag
{
  F_STAMPS = 15,      /* lines with a kernel's stamp, up to 15 */
  F_BANNER = 1 << 4,  /* this boot's was seen */
  F_UNTIMED = 1 << 5, /* the line before was a banner without a stamp */
  F_SHOW = 1 << 6,    /* the shell was told to show a log */
  F_OVER = 1 << 7,    /* the kernel said its last words */
  F_PENDING = 1 << 8, /* a banner that is not believed yet */
  F_INITRD = 1 << 9,  /* systemd runs in the initramfs */
  F_BARE = 1 << 10,   /* somebody without a prefix spoke */
  F_FIRST_SHIFT = 16, /* which MARK_FIRST there was; 16 bits */
};

/* A kernel without stamps prints bare heads at any stage; one that was seen to
 * stamp so many lines does not. */
#define STAMPS_ENOUGH 3
#define SECOND ((uint64_t) 1000000)
/* Early stamps are all zero, or of a clock that is still coarse. */
#define REF_FROM (SECOND / 10)
#define REF_UNTIL (30 * SECOND)
/* So many lines do not come before REF_UNTIL in a real boot. */
#define PENDING_LINES 4096
/* Up for less than this, of a boot whose beginning was not seen. */
#define KERNEL_UNTIL (5 * SECOND)
#define AHEAD_MS 60000 /* of the host's clock, by a guest's stamp */
#define USERSPACE_UNTIL (30 * SECOND)

/* ---- text ---- */

static uint32_t
hash (const char *p, size_t n)
{
  uint32_t h = 2166136261u;

  while (n-- > 0)
    h = (h ^ (unsigned char) *p++) * 16777619u;
  return h;
}

static void
copy_word (char *dst, size_t size, struct view v)
{
  size_t n = 0;

  while (v.p < v.end && (unsigned char) *v.p > ' '
         && (unsigned char) *v.p < 0x7f && n + 1 < size)
    dst[n++] = *v.p++;
  dst[n] = '\0';
}

/* ---- moving ---- */

static enum stage_change
settle (struct stage *s, const struct text_msg *msg, enum text_stage stage,
        enum text_stop stop)
{
  if (s->stage == stage && s->stop == stop)
    return STAGE_SAME;
  s->stage = stage;
  s->stop = stop;
  s->line = msg->line->number;
  s->since_ms = msg->line->last_ms;
  return STAGE_MOVED;
}

static enum stage_change
begin_boot (struct stage *s, const struct text_msg *msg, enum text_stage stage)
{
  uint32_t boots = s->boots;

  *s = (struct stage) STAGE_INIT;
  s->boots = boots + (boots < UINT32_MAX);
  settle (s, msg, stage, STOP_NONE);
  return STAGE_NEW_BOOT;
}

/* This kernel does not come back: what follows is another boot. */
static bool
is_over (const struct stage *s)
{
  return (s->flags & F_OVER) != 0 || s->stop == STOP_PANIC;
}

/* Whether this line tells of something that was. */
static bool
is_old (const struct stage *s)
{
  return s->replay || (s->flags & F_PENDING) != 0;
}

/* No kernel is up for longer than that: the time since another line of it, and
 * some for clocks that differ. */
static bool
is_far (const struct text_msg *msg, uint64_t us, uint64_t ms)
{
  uint64_t now = msg->line->first_ms, gone;

  if (ms == 0 || now < ms)
    return false;
  gone = now - ms;
  return msg->stamp_us > us
         && (msg->stamp_us - us) / 1000 > gone + gone / 16 + AHEAD_MS;
}

static bool
is_ahead (const struct stage *s, const struct text_msg *msg)
{
  return is_far (msg, s->live_us, s->live_ms);
}

/* A stamp from the future, which anybody can print, would make all that the
 * kernel says from now on older than that.  But its clock may have jumped, or
 * we come late: then it goes on from there. */
static bool
is_live (struct stage *s, const struct text_msg *msg)
{
  uint64_t now = msg->line->first_ms;
  bool ahead = is_ahead (s, msg);
  bool on = ahead && s->odd_ms && msg->stamp_us >= s->odd_us
            && !is_far (msg, s->odd_us, s->odd_ms);

  if (!ahead || (on && now - s->odd_ms >= AHEAD_MS))
    {
      s->odd_ms = 0;
      return true;
    }
  if (!on)
    {
      s->odd_us = msg->stamp_us;
      s->odd_ms = now;
    }
  return false;
}

/* The shell shows a log.  Among its lines only one with the kernel's own
 * stamp, later than all before, can be of now; a log of a boot that went on
 * for longer is not. */
static void
see_shown (struct stage *s, const struct text_msg *msg)
{
  char first = msg->line->text[0];

  s->replay = !msg->stamped || (first != '[' && first != '<')
              || msg->stamp_us <= s->live_us || is_ahead (s, msg);
}

/* ---- banners and stamps ---- */

static enum stage_change
believe_pending (struct stage *s, const struct text_msg *msg)
{
  uint64_t line = s->pending_line, ms = s->pending_ms;
  char release[sizeof s->release];

  memcpy (release, s->pending, sizeof release);
  begin_boot (s, msg, STAGE_KERNEL);
  memcpy (s->release, release, sizeof release);
  s->line = line;
  s->since_ms = ms;
  s->flags |= F_BANNER;
  return STAGE_NEW_BOOT;
}

static enum stage_change
take_banner (struct stage *s, const struct text_msg *msg, struct view release)
{
  bool early = s->stage == STAGE_FIRMWARE || s->stage == STAGE_BOOTLOADER;
  enum stage_change change;

  if (s->flags & F_SHOW)
    {
      s->replay = true;
      return STAGE_SAME;
    }
  /* A kernel that does not come as far as what it would be known by. */
  if (s->flags & F_PENDING)
    return believe_pending (s, msg);
  if (!is_over (s) && !(s->flags & F_BANNER) && s->boots > 0
      && (early || s->stage == STAGE_KERNEL))
    change = settle (s, msg, STAGE_KERNEL, STOP_NONE);
  else if (is_over (s) || early || s->stage == STAGE_SHUTDOWN
           || s->ref_us == 0)
    change = begin_boot (s, msg, STAGE_KERNEL);
  else
    {
      s->flags |= F_PENDING;
      s->pending_line = msg->line->number;
      s->pending_ms = msg->line->last_ms;
      copy_word (s->pending, sizeof s->pending, release);
      return STAGE_SAME;
    }
  s->flags |= F_BANNER;
  copy_word (s->release, sizeof s->release, release);
  return change;
}

/* What comes behind a banner that has no stamp, and nowhere else. */
static const char *const after_banner[]
    = { "Command line: ",      "Kernel command line: ", "Machine model: ",
        "KERNEL supported cpus", "CPU: ARM",            "BIOS-provided ",
        "OF: fdt",             "efi: ",                 "x86/fpu: ",
        "SBI specification",   "Machine: ",             "earlycon: ",
        "printk: ",            "Reserved memory",       "random: " };

/* Returns true if this line was about a banner; then *ret is what it did. */
static bool
see_banner (struct stage *s, const struct text_msg *msg, struct view v,
            enum stage_change *ret)
{
  static const char words[] = "Linux version ";
  struct view version = { v.p + sizeof words - 1, v.end };
  bool bare = msg->from == FROM_UNKNOWN;

  if (s->flags & F_UNTIMED)
    {
      s->flags &= ~(uint32_t) F_UNTIMED;
      for (size_t i = 0; bare && i < sizeof after_banner / sizeof *after_banner;
           i++)
        if (begins (v, after_banner[i]))
          {
            version.p = s->pending;
            version.end = s->pending + strlen (s->pending);
            *ret = take_banner (s, msg, version);
            return true;
          }
    }
  if (v.p == v.end || *v.p != 'L' || !begins (v, words)
      || version.p == version.end || !is_digit (*version.p))
    return false;
  *ret = STAGE_SAME;
  if (msg->stamped && msg->stamp_us > 2 * SECOND)
    return true;
  /* `cat /proc/version` prints it, too. */
  if (bare && s->stage != STAGE_FIRMWARE && s->stage != STAGE_BOOTLOADER
      && s->stage != STAGE_SHUTDOWN
      && (s->stage != STAGE_KERNEL || (s->flags & F_BANNER)))
    {
      s->flags |= F_UNTIMED;
      copy_word (s->pending, sizeof s->pending, version);
      return true;
    }
  *ret = take_banner (s, msg, version);
  return true;
}

/* Banner pending: is it this boot's log again, or another boot? */
static enum stage_change
weigh_pending (struct stage *s, const struct text_msg *msg)
{
  bool same = msg->stamp_us == s->ref_us
              && hash (msg->text, msg->len) == s->ref_hash;

  /* What goes on where the boot was is still that boot. */
  if (same || msg->stamp_us >= s->live_us)
    {
      s->flags &= ~(uint32_t) F_PENDING;
      s->replay = msg->stamp_us < s->live_us;
      if (same && !*s->release) /* its banner was not for this console */
        memcpy (s->release, s->pending, sizeof s->release);
      return STAGE_SAME;
    }
  if (msg->stamp_us > s->ref_us
      || msg->line->number - s->pending_line > PENDING_LINES)
    return believe_pending (s, msg);
  return STAGE_SAME;
}

/* A line with the kernel's stamp, be it its own or a programme's. */
static enum stage_change
see_stamp (struct stage *s, const struct text_msg *msg)
{
  uint64_t us = msg->stamp_us;
  uint64_t last = s->odd_ms && s->odd_us > s->live_us ? s->odd_us : s->live_us;
  enum stage_change change = STAGE_SAME;

  if ((s->flags & F_STAMPS) < F_STAMPS)
    s->flags++;
  if (s->flags & F_PENDING)
    change = weigh_pending (s, msg);
  if (s->replay && us >= s->live_us && !(s->flags & F_SHOW))
    s->replay = false;
  if (is_old (s))
    return change;
  /* A quiet kernel says nothing before its first complaint. */
  if ((is_over (s) || s->stage == STAGE_SHUTDOWN)
      && us + 10 * SECOND < last && us < 60 * SECOND)
    change = begin_boot (s, msg, STAGE_KERNEL);
  else if (s->stage == STAGE_FIRMWARE || s->stage == STAGE_BOOTLOADER)
    change = settle (s, msg, STAGE_KERNEL, STOP_NONE);
  /* A quiet one, or one we came late to: a guess. */
  else if (s->stage == STAGE_UNKNOWN && (s->flags & F_BARE)
           && us < USERSPACE_UNTIL)
    change = settle (s, msg, STAGE_USERSPACE, STOP_NONE);
  else if (s->stage == STAGE_UNKNOWN && us < KERNEL_UNTIL)
    change = settle (s, msg, STAGE_KERNEL, STOP_NONE);
  if (is_live (s, msg) && us > s->live_us)
    {
      s->live_us = us;
      s->live_ms = msg->line->first_ms;
      if (!(s->flags & F_SHOW))
        s->printed_ms = s->live_ms;
    }
  if (s->ref_us == 0 && us >= REF_FROM && us < REF_UNTIL && us % 1000 != 0
      && msg->len >= 10)
    {
      s->ref_us = us;
      s->ref_hash = hash (msg->text, msg->len);
    }
  return change;
}

/* ---- marks ---- */

static const struct stage_mark *
find_mark (struct view v, unsigned by, uint32_t *ret_id)
{
  size_t n = (size_t) (v.end - v.p);
  const struct stage_mark *list, *m;

  if (n < 2 || !(list = stage_marks ((unsigned char) *v.p)))
    return NULL;
  for (m = list; m->text; m++)
    if (m->text[1] == v.p[1] && (m->by & by) && n >= m->len
        && memcmp (v.p, m->text, m->len) == 0
        && (!m->has || holds ((struct view){ v.p + m->len, v.end }, m->has)))
      {
        *ret_id = ((uint32_t) (unsigned char) *v.p << 8)
                  | (uint32_t) (m - list + 1);
        return m;
      }
  return NULL;
}

/* Is this a boot that begins? */
static bool
is_new_boot (const struct stage *s, const struct stage_mark *m, uint32_t id)
{
  bool first = (m->flags & MARK_FIRST) != 0;

  if (m->flags & (MARK_HERE | MARK_ONLY) || m->stage >= STAGE_SHUTDOWN)
    return false;
  if (s->stage == STAGE_UNKNOWN)
    return first || (m->stage <= STAGE_KERNEL && m->stop == STOP_NONE);
  if (is_over (s))
    return first || (m->flags & MARK_BACK) || m->stage < STAGE_KERNEL
           || ((s->flags & F_OVER) && (m->by & BY_BARE));
  if (s->stage == STAGE_SHUTDOWN && (m->flags & MARK_BACK))
    return true;
  if (m->stage == s->stage)
    return first && id == s->flags >> F_FIRST_SHIFT;
  if (m->stage > s->stage)
    return false;
  return first || (m->stage < STAGE_KERNEL && s->stage >= STAGE_KERNEL);
}

/* A stop that somebody ended, or that went by, where it stands. */
static enum text_stop
stop_after (const struct stage *s, const struct stage_mark *m)
{
  switch (s->stop)
    {
    case STOP_PANIC:
    case STOP_HALTED:
    case STOP_MAINTENANCE:
      return s->stop;
    case STOP_NO_ROOT:
      /* The shell that one is left with is no other trouble. */
      return m->stop == STOP_NONE ? STOP_NONE
             : m->stop == STOP_INITRAMFS ? s->stop
                                         : m->stop;
    default:
      return m->stop;
    }
}

static enum stage_change
take_here (struct stage *s, const struct text_msg *msg,
           const struct stage_mark *m)
{
  enum text_stage stage
      = s->stage < STAGE_INITRAMFS && s->stage < m->stage ? m->stage : s->stage;
  enum text_stop stop = m->stop;

  if (s->stop == STOP_PANIC || stop == STOP_NONE)
    stop = s->stop;
  return settle (s, msg, stage, stop);
}

static enum stage_change
take_mark (struct stage *s, const struct text_msg *msg,
           const struct stage_mark *m, uint32_t id)
{
  enum stage_change change;

  if (m->flags & MARK_HERE)
    return take_here (s, msg, m);
  if (is_new_boot (s, m, id))
    {
      change = begin_boot (s, msg, m->stage);
      s->stop = m->stop;
    }
  else if (is_over (s) && m->stage != STAGE_SHUTDOWN)
    return STAGE_SAME;
  else if ((m->flags & MARK_ONLY)
           && (s->stage == STAGE_UNKNOWN || s->stage > m->stage
               || s->stage + 1 < m->stage))
    return STAGE_SAME;
  else if (m->stage == s->stage)
    change = settle (s, msg, s->stage, stop_after (s, m));
  else if (m->stage > s->stage
           || (m->stage == STAGE_FIRMWARE && s->stage == STAGE_BOOTLOADER))
    change = settle (s, msg, m->stage, m->stop);
  else if ((m->flags & MARK_INITRD) && s->stage == STAGE_USERSPACE
           && !(s->flags & F_INITRD))
    change = settle (s, msg, STAGE_INITRAMFS, STOP_NONE);
  else
    return STAGE_SAME;
  if (m->flags & MARK_FIRST)
    s->flags = (s->flags & 0xffff) | id << F_FIRST_SHIFT;
  if (m->flags & MARK_OVER)
    s->flags |= F_OVER;
  if (m->flags & MARK_INITRD)
    s->flags |= F_INITRD;
  return change;
}

/* "[  OK  ] Started x", "[ ok ] ", " * Mounting ...": an init's. */
static bool
skip_status (struct view *v)
{
  static const char *const words[]
      = { "[  OK  ] ", "[FAILED] ", "[DEPEND] ", "[ TIME ] ", "[ INFO ] ",
          "[ WARN ] ", "[SKIP ] ",  "[ ok ] ",   "[....] " };
  size_t n;

  for (size_t i = 0; i < ARRAY_LEN (words); i++)
    if (begins (*v, words[i]))
      {
        v->p += strlen (words[i]);
        return true;
      }
  n = (size_t) (v->end - v->p);
  /* "[***   ] A start job is running for x" */
  if (n > 9 && v->p[0] == '[' && v->p[7] == ']'
      && memchr (v->p + 1, '*', 6) != NULL)
    {
      v->p += 9;
      return true;
    }
  if (n > 2 && v->p[0] == '*' && v->p[1] == ' ')
    {
      v->p += 2;
      return false; /* OpenRC's, but also anybody's list */
    }
  return false;
}

static enum stage_change
see_status (struct stage *s, const struct text_msg *msg)
{
  if ((s->stage <= STAGE_KERNEL && s->stage != STAGE_UNKNOWN)
      || (s->stage == STAGE_INITRAMFS && !(s->flags & F_INITRD)))
    return settle (s, msg, STAGE_USERSPACE, STOP_NONE);
  if (s->stage == STAGE_UNKNOWN)
    return settle (s, msg, STAGE_USERSPACE, STOP_NONE);
  return STAGE_SAME;
}

static enum stage_change
see_marks (struct stage *s, const struct text_msg *msg, struct view v)
{
  enum stage_change change = STAGE_SAME, by_mark;
  const struct stage_mark *m;
  unsigned by = msg->from == FROM_USER ? BY_USER : BY_KERNEL;
  uint32_t id;

  if (msg->from == FROM_UNKNOWN)
    {
      by = BY_BARE | (stage_kernel_speaks (s, msg) ? BY_KERNEL : 0);
      /* A lock is painted before some questions. */
      while (v.p < v.end && (*v.p == ' ' || *v.p == '\t' || *v.p < 0))
        v.p++;
      if (v.p < v.end && (*v.p == '[' || *v.p == '*') && skip_status (&v))
        {
          change = see_status (s, msg);
          v = skip_blanks (v);
        }
    }
  m = find_mark (v, by, &id);
  if (!m)
    return change;
  by_mark = take_mark (s, msg, m, id);
  if ((m->flags & MARK_RELEASE) && s->stage == m->stage
      && v.p + m->len < v.end && is_digit (v.p[m->len]))
    copy_word (s->release, sizeof s->release,
               (struct view){ v.p + m->len, v.end });
  return by_mark > change ? by_mark : change;
}

/* ---- prompts ---- */

/* A prompt: whatever was shown is over. */
static enum stage_change
take_prompt (struct stage *s, const struct text_msg *msg,
             enum text_stage stage)
{
  s->flags &= ~(uint32_t) (F_SHOW | F_PENDING);
  s->replay = false;
  if (is_over (s))
    return begin_boot (s, msg, stage);
  if (s->stage == STAGE_SHUTDOWN)
    return STAGE_SAME;
  if (stage == STAGE_SHELL
      && (s->stop == STOP_INITRAMFS || s->stop == STOP_NO_ROOT
          || s->stop == STOP_FSCK || s->stop == STOP_MAINTENANCE))
    return STAGE_SAME;
  return settle (s, msg, stage, STOP_NONE);
}

static bool
see_prompt (struct stage *s, const struct text_msg *msg,
            enum stage_change *ret)
{
  struct view v = { msg->line->text, msg->line->text + msg->line->len };
  const struct stage_mark *m;
  struct view typed;
  uint32_t id;

  if (prompt_is_login (v))
    {
      *ret = take_prompt (s, msg, STAGE_LOGIN);
      return true;
    }
  if (!prompt_is_shell (msg->line, v, &typed))
    return false;
  m = find_mark (v, BY_BARE, &id);
  if (m && m->stop == STOP_INITRAMFS) /* "dracut:/# " */
    return false;
  *ret = take_prompt (s, msg, STAGE_SHELL);
  if (msg->from == FROM_UNKNOWN && prompt_shows_log (typed))
    s->flags |= F_SHOW;
  return true;
}

/* ---- all of it ---- */

enum stage_change
stage_line (struct stage *s, const struct text_msg *msg)
{
  struct view v = { msg->text, msg->text + msg->len };
  enum stage_change change = STAGE_SAME, more = STAGE_SAME;
  /* A line that others were put before: a prompt may be among them.  One of
   * a life that is over is not another's. */
  bool glued = msg->text > msg->line->text && *msg->line->text != '['
               && !is_over (s);

  if (msg->line->len == 0)
    return STAGE_SAME;
  if ((msg->from == FROM_UNKNOWN || glued) && msg->from != FROM_USER
      && see_prompt (s, msg, &change) && msg->from == FROM_UNKNOWN)
    return change;
  if (s->flags & F_SHOW)
    see_shown (s, msg);
  if (see_banner (s, msg, v, &more))
    return more > change ? more : change;
  if (msg->stamped)
    more = see_stamp (s, msg);
  else if (msg->from == FROM_UNKNOWN)
    s->flags |= F_BARE;
  change = more > change ? more : change;
  if (is_old (s))
    return change;
  more = see_marks (s, msg, v);
  return more > change ? more : change;
}

bool
stage_kernel_speaks (const struct stage *s, const struct text_msg *msg)
{
  if (msg->from != FROM_UNKNOWN)
    return msg->from == FROM_KERNEL;
  switch (s->stage)
    {
    case STAGE_FIRMWARE:
    case STAGE_BOOTLOADER:
      return false;
    case STAGE_KERNEL:
      return true;
    default:
      return (s->flags & F_STAMPS) < STAMPS_ENOUGH;
    }
}
