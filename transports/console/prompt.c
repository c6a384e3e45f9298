/* SPDX-License-Identifier: Apache-2.0
 *
 * What is on the screen.  See prompt.h.
 *
 * Three kinds of signs: a prompt is the last line, unfinished; a menu or a
 * countdown is a phrase somewhere in the last screenful, with no sign behind
 * it that the boot went on; a boot is the init system's lines at the end.
 */
#include "transports/console/prompt.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "transports/console/kline.h"

#define LOOK_BYTES 4096
#define PROMPT_MAX 160 /* a longer line is output, not a prompt */
#define ESC 0x1b

const char *const screen_names[SCREEN_MAX + 1] = {
  [SCREEN_UNKNOWN] = "unknown",
  [SCREEN_SHELL] = "shell",
  [SCREEN_CONTINUATION] = "continuation",
  [SCREEN_LOGIN] = "login",
  [SCREEN_PASSWORD] = "password",
  [SCREEN_MAINTENANCE] = "maintenance",
  [SCREEN_INITRAMFS] = "initramfs",
  [SCREEN_BOOTLOADER] = "bootloader",
  [SCREEN_BOOTING] = "booting",
};

/* ---- from bytes to plain lines ---- */

/* Length of the terminal's control sequence at p (which is an ESC); an
 * unfinished one takes the rest. */
static size_t
sequence_len (const char *p, size_t len)
{
  size_t i = 2;

  if (len < 2)
    return len;
  if (p[1] == '[')
    {
      while (i < len && (unsigned char) p[i] < 0x40)
        i++;
      return i < len ? i + 1 : len;
    }
  if (p[1] == ']') /* a title: up to BEL or ESC \ */
    {
      while (i < len && p[i] != 0x07 && p[i] != ESC)
        i++;
      if (i < len && p[i] == ESC)
        i++;
      return i < len ? i + 1 : len;
    }
  return p[1] == '(' || p[1] == ')' ? (len < 3 ? len : 3) : 2;
}

/* Escape sequences and other controls out, CR LF to LF, a lone CR begins the
 * line anew. */
static void
plain (const char *p, size_t len, struct buf *out)
{
  size_t line = 0, n;

  while (len > 0)
    {
      n = 1;
      if (*p == ESC)
        n = sequence_len (p, len);
      else if (*p == '\n')
        {
          buf_putc (out, '\n');
          line = out->len;
        }
      else if (*p == '\r')
        {
          while (n < len && p[n] == '\r')
            n++;
          if (n < len && p[n] != '\n')
            out->len = line;
        }
      else if (*p == '\b')
        out->len -= out->len > line;
      else if ((unsigned char) *p >= 0x20 && *p != 0x7f)
        buf_putc (out, *p);
      p += n;
      len -= n;
    }
  if (out->data)
    out->data[out->len] = '\0'; /* it may have been shortened */
}

/* As plain(), without the kernel's lines. */
static void
plain_talk (const char *bytes, size_t len, struct buf *out)
{
  CLEANUP_BUF struct buf text = BUF_INIT (len + KLINE_STAMP_MAX);
  struct kline k = KLINE_INIT;

  kline_feed (&k, bytes, len, &text, NULL);
  kline_end (&k, &text);
  plain (buf_str (&text), text.len, out);
}

/* ---- the last line ---- */

struct line
{
  const char *p;
  size_t len; /* without blanks at its end */
  bool blank_end;
};

static struct line
last_line (const struct buf *text)
{
  const char *p = buf_str (text);
  const char *nl = memrchr (p, '\n', text->len);
  struct line l = { .p = nl ? nl + 1 : p };

  l.len = text->len - (size_t) (l.p - p);
  while (l.len > 0 && (l.p[l.len - 1] == ' ' || l.p[l.len - 1] == '\t'))
    {
      l.len--;
      l.blank_end = true;
    }
  return l;
}

static bool
ends (struct line l, const char *with)
{
  size_t n = strlen (with);

  return l.len >= n && memcmp (l.p + l.len - n, with, n) == 0;
}

static bool
begins (struct line l, const char *with)
{
  size_t n = strlen (with);

  return l.len >= n && memcmp (l.p, with, n) == 0;
}

static const struct prompt
{
  const char *text;
  bool whole; /* the whole line, not only its end */
  enum screen screen;
  const char *what;
} prompts[] = {
  { "(or press Control-D to continue):", false, SCREEN_MAINTENANCE,
    "the maintenance prompt" },
  { "(or type Control-D to continue):", false, SCREEN_MAINTENANCE,
    "the maintenance prompt" },
  { "Press Enter for maintenance", false, SCREEN_MAINTENANCE,
    "the maintenance prompt" },
  { "password for maintenance", false, SCREEN_MAINTENANCE,
    "the maintenance prompt" },
  { "login:", false, SCREEN_LOGIN, "a login prompt" },
  { "Login:", false, SCREEN_LOGIN, "a login prompt" },
  { "Password:", false, SCREEN_PASSWORD, "a password prompt" },
  { "password:", false, SCREEN_PASSWORD, "a password prompt" },
  { "(initramfs)", true, SCREEN_INITRAMFS, "the initramfs shell" },
  { "rescue:/#", false, SCREEN_INITRAMFS, "the rescue shell" },
  { "dracut:/#", false, SCREEN_INITRAMFS, "dracut's emergency shell" },
  { "grub>", true, SCREEN_BOOTLOADER, "GRUB's command line" },
  { "grub rescue>", true, SCREEN_BOOTLOADER, "GRUB's rescue prompt" },
  { "iPXE>", true, SCREEN_BOOTLOADER, "iPXE's prompt" },
  { "Shell>", true, SCREEN_BOOTLOADER, "the UEFI shell" },
  { "boot:", true, SCREEN_BOOTLOADER, "a boot prompt" },
  { "U-Boot>", true, SCREEN_BOOTLOADER, "U-Boot" },
  { "=>", true, SCREEN_BOOTLOADER, "U-Boot" },
  { ">", true, SCREEN_CONTINUATION, "a shell that waits for more" },
};

static bool
is_prompt (struct line l, const struct prompt *p)
{
  size_t n = strlen (p->text);

  return ends (l, p->text) && (!p->whole || l.len == n);
}

static bool
is_fs_prompt (struct line l) /* "FS0:\>" of the UEFI shell */
{
  return begins (l, "FS") && l.len > 4 && l.len < 80
         && memmem (l.p, l.len, ":\\", 2) && l.p[l.len - 1] == '>';
}

static enum screen
by_last_line (struct line l, const char **what)
{
  if (l.len == 0 || l.len > PROMPT_MAX)
    return SCREEN_UNKNOWN;
  for (size_t i = 0; i < ARRAY_LEN (prompts); i++)
    if (is_prompt (l, &prompts[i]))
      {
        *what = prompts[i].what;
        return prompts[i].screen;
      }
  if (is_fs_prompt (l))
    {
      *what = "the UEFI shell";
      return SCREEN_BOOTLOADER;
    }
  if (l.blank_end && (l.p[l.len - 1] == '#' || l.p[l.len - 1] == '$'))
    {
      *what = "a shell prompt";
      return SCREEN_SHELL;
    }
  return SCREEN_UNKNOWN;
}

/* ---- menus and countdowns ---- */

/* What they say below the phrase we know them by; more lines than that are
 * those of somebody who came later. */
#define MENU_LINES 10

static const struct
{
  const char *text, *what;
} menus[] = {
  { "Use the ^ and v keys", "GRUB's menu" },
  { "Use the \xe2\x86\x91 and \xe2\x86\x93 keys", "GRUB's menu" },
  { "The highlighted entry will be executed", "GRUB's menu" },
  { "Minimal BASH-like line editing", "GRUB's command line" },
  { "Hit any key to stop autoboot", "U-Boot's countdown" },
  { "UEFI Interactive Shell", "the UEFI shell" },
  { "BdsDxe: failed", "the firmware, which found nothing to boot" },
  { ">>Start PXE", "the firmware's network boot" },
  { "No bootable device", "the firmware: no bootable device" },
  { "iPXE initialising devices", "iPXE" },
};

/* Whoever says this has left the boot loader behind. */
static const char *const went_on[] = {
  "Linux version ",    "Booting `",     "Loading Linux",
  "EFI stub:",         "Welcome to ",   "Loading initial ramdisk",
  "Starting kernel",   "Decompressing", "Booting the kernel",
  "BdsDxe: starting",  "Run /init",     "login:",
};

static const char *
last_of (const struct buf *text, const char *s)
{
  const char *p = buf_str (text), *found = NULL;

  while ((p = strstr (p, s)))
    found = p++;
  return found;
}

static bool
has_kernel_lines (const char *p)
{
  CLEANUP_BUF struct buf text = BUF_INIT (LOOK_BYTES);
  CLEANUP_BUF struct buf kernel = BUF_INIT (LOOK_BYTES);
  struct kline k = KLINE_INIT;

  kline_feed (&k, p, strlen (p), &text, &kernel);
  return kernel.len > 0;
}

static unsigned
count_lines (const char *p)
{
  unsigned n = 0;

  while ((p = strchr (p, '\n')))
    {
      n++;
      p++;
    }
  return n;
}

static enum screen
by_menu (const char *bytes, size_t len, const char **what)
{
  CLEANUP_BUF struct buf all = BUF_INIT (2 * LOOK_BYTES);
  const struct buf *text = &all;
  const char *menu = NULL, *p;

  plain (bytes, len, &all);
  for (size_t i = 0; i < ARRAY_LEN (menus); i++)
    if ((p = last_of (text, menus[i].text)) && p >= menu)
      {
        menu = p;
        *what = menus[i].what;
      }
  if (!menu || count_lines (menu) > MENU_LINES)
    return SCREEN_UNKNOWN;
  for (size_t i = 0; i < ARRAY_LEN (went_on); i++)
    if ((p = last_of (text, went_on[i])) && p > menu)
      return SCREEN_UNKNOWN;
  return has_kernel_lines (menu) ? SCREEN_UNKNOWN : SCREEN_BOOTLOADER;
}

/* ---- the init system at work ---- */

/* A line of what was typed, a message of some service: so many may stand
 * below the init system's last one. */
#define BOOT_LINES 5

static const char *const boot_begins[] = {
  "[FAILED] Failed to ", "[DEPEND] Dependency failed for ",
  "[ TIME ] Timed out ", " * Starting ", " * Stopping ",
};
/* With the name of a unit behind them. */
static const char *const boot_done[] = {
  "Started ", "Stopped ", "Finished ", "Reached ", "Mounted ", "Unmounted ",
  "Listening ", "Created ", "Removed ", "Closed ", "Found ", "Set ",
  "Unset ", "Activated ", "Deactivated ",
};
static const char *const boot_doing[] = {
  "Starting ", "Stopping ", "Mounting ", "Unmounting ", "Activating ",
  "Deactivating ",
};

static bool
begins_one_of (struct line l, const char *const *with, size_t n)
{
  for (size_t i = 0; i < n; i++)
    if (begins (l, with[i]))
      return true;
  return false;
}

static struct line
without (struct line l, const char *prefix)
{
  size_t n = begins (l, prefix) ? strlen (prefix) : l.len;

  return (struct line){ .p = l.p + n, .len = l.len - n };
}

static bool
in_line (struct line l, const char *s)
{
  return memmem (l.p, l.len, s, strlen (s)) != NULL;
}

/* "[*** ] (1 of 3) Job x/start running (22s / 1min 49s)".  One that waits
 * without limit is no progress: it may be why the boot never ends. */
static bool
is_waiting_line (struct line l)
{
  return begins (l, "[") && (in_line (l, "/start running (")
                             || in_line (l, "/stop running (")
                             || in_line (l, " job is running for "))
         && !in_line (l, "/ no limit)");
}

static bool
is_boot_line (struct line l)
{
  return begins_one_of (without (l, "[  OK  ] "), boot_done,
                        ARRAY_LEN (boot_done))
         || begins_one_of (without (l, "         "), boot_doing,
                           ARRAY_LEN (boot_doing))
         || begins_one_of (l, boot_begins, ARRAY_LEN (boot_begins))
         || is_waiting_line (l);
}

static bool
by_boot (const struct buf *text)
{
  const char *p = buf_str (text), *end = p + text->len, *nl;
  struct line l;

  for (unsigned n = 0; end > p && n < BOOT_LINES;)
    {
      nl = memrchr (p, '\n', (size_t) (end - p));
      l = (struct line){ .p = nl ? nl + 1 : p };
      l.len = (size_t) (end - l.p);
      if (is_boot_line (l))
        return true;
      n += l.len > 0;
      end = nl ? nl : p;
    }
  return false;
}

/* ---- */

enum screen
screen_of (const char *bytes, size_t len, const char **ret_what)
{
  CLEANUP_BUF struct buf text = BUF_INIT (2 * LOOK_BYTES);
  const char *what = "";
  enum screen s;

  if (len > LOOK_BYTES)
    {
      bytes += len - LOOK_BYTES;
      len = LOOK_BYTES;
    }
  plain_talk (bytes, len, &text);
  s = by_last_line (last_line (&text), &what);
  if (s == SCREEN_UNKNOWN)
    s = by_menu (bytes, len, &what);
  if (s == SCREEN_UNKNOWN && by_boot (&text))
    {
      s = SCREEN_BOOTING;
      what = "services that start or stop";
    }
  if (ret_what)
    *ret_what = s == SCREEN_UNKNOWN ? "" : what;
  return s;
}

static bool
is_login_line (const char *p, size_t len)
{
  static const char sign[] = " login:";
  const char *at = memmem (p, len, sign, sizeof sign - 1);

  if (!at || at == p)
    return false;
  for (; p < at; p++)
    if (*p == ' ')
      return false;
  return true;
}

unsigned
screen_login_lines (const char *bytes, size_t len)
{
  CLEANUP_BUF struct buf text = BUF_INIT (len + KLINE_STAMP_MAX);
  const char *p, *nl;
  unsigned n = 0;

  plain_talk (bytes, len, &text);
  for (p = buf_str (&text); *p; p = nl + 1)
    {
      nl = strchrnul (p, '\n');
      n += is_login_line (p, (size_t) (nl - p));
      if (!*nl)
        break;
    }
  return n;
}

#define YOUNG_LINES 5
#define YOUNG_S 60

bool
kernel_is_young (const char *kernel)
{
  static const char *const complaints[]
      = { "BUG: ", "Call Trace", "panic", "INFO: ", "Oops", "lockup", "stall" };
  unsigned n = 0;

  for (size_t i = 0; i < ARRAY_LEN (complaints); i++)
    if (strstr (kernel, complaints[i]))
      return false;
  for (const char *p = kernel, *nl; *p; p = nl + (*nl != '\0'))
    {
      nl = strchrnul (p, '\n');
      if (*p != '[' || p[1 + strspn (p + 1, " 0123456789")] != '.')
        continue;
      if (strtoul (p + 1, NULL, 10) >= YOUNG_S)
        return false;
      n++;
    }
  return n >= YOUNG_LINES;
}

bool
screen_is_closed (enum screen s)
{
  return s == SCREEN_PASSWORD || s == SCREEN_MAINTENANCE
         || s == SCREEN_INITRAMFS || s == SCREEN_BOOTLOADER
         || s == SCREEN_BOOTING;
}
