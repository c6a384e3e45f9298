/* SPDX-License-Identifier: Apache-2.0
 *
 * The guest behind a fake console: its log, its terminal, its shell.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tests/fakes/fakecons_impl.h"

#define PROMPT "/ # "
#define LOGIN "fake login: "
#define COLUMNS 80
#define WORDS 32
#define LATE_MS 300

const char *const fake_play_names[FAKE_PLAY_MAX + 1] = {
  "shell", "noecho", "mute", "login", "password",
  "grub",  "uboot",  "dead", "xoff",  "stopped",
  "twice", "late",   "forge",
};

static const char grub_menu[]
    = "\x1b[2J\x1b[1;1H                 GNU GRUB  version 2.06\r\n\r\n"
      " *Debian GNU/Linux\r\n  Advanced options for Debian GNU/Linux\r\n\r\n"
      "      Use the ^ and v keys to select which entry is highlighted.\r\n"
      "      Press enter to boot the selected OS, `e' to edit the commands\r\n"
      "   The highlighted entry will be executed automatically in 5s.";
static const char uboot_countdown[]
    = "U-Boot 2023.01 (Jan 01 2023)\r\n\r\nDRAM:  1 GiB\r\n"
      "Hit any key to stop autoboot:  5";

uint32_t
fake_random (struct fake *c)
{
  c->random = c->random * 1664525u + 1013904223u;
  return c->random >> 8;
}

/* ---- the log ---- */

static uint32_t
check_of (uint64_t seq)
{
  uint64_t h = (seq + 1) * 0x9e3779b97f4a7c15u;

  return (uint32_t) (h >> 32);
}

static void
put_hex (char *p, uint64_t v, unsigned digits)
{
  while (digits--)
    {
      p[digits] = "0123456789abcdef"[v & 15];
      v >>= 4;
    }
}

/* "LOG seq check padding": by hand, as a bench asks for half a million. */
void
fake_log_line (struct fake *c, struct buf *out)
{
  char line[FAKE_LINE + 1]
      = "[    1.000000] LOG ............ ........ "
        "the quick brown fox jumps over a dog.\r\n";
  uint64_t ms = clock_ms ();
  char *p = line;

  if (fake_config (c)->weave)
    {
      /* As wide as the template, whatever the time. */
      snprintf (line, 16, "[%5u.%06u]", (unsigned) (ms / 1000 % 100000),
                (unsigned) (ms % 1000 * 1000));
      line[14] = ' ';
    }
  else
    memcpy (line, "app[1]: info:  ", 15);
  p = line + 15 + 4;
  put_hex (p, c->seq, 12);
  put_hex (p + 13, check_of (c->seq), 8);
  buf_append (out, line, FAKE_LINE);
  c->seq++;
  c->lines++;
}

static uint64_t
get_hex (const char *p, unsigned digits, bool *ok)
{
  uint64_t v = 0;
  const char *at;

  while (digits--)
    {
      at = *p ? strchr ("0123456789abcdef", *p) : NULL;
      *ok &= at != NULL;
      v = v << 4 | (uint64_t) (at ? at - "0123456789abcdef" : 0);
      p++;
    }
  return v;
}

static void
check_line (struct fakecheck *c)
{
  const char *p = memmem (c->line, c->len, "LOG ", 4);
  bool ok = true;
  uint64_t seq, check;

  if (!p)
    return;
  if ((size_t) (c->line + c->len - p) < 4 + 12 + 1 + 8)
    {
      c->broken++;
      return;
    }
  seq = get_hex (p + 4, 12, &ok);
  check = get_hex (p + 17, 8, &ok);
  if (!ok || check != check_of (seq))
    {
      c->broken++;
      return;
    }
  if (seq > c->next)
    c->lost += seq - c->next;
  else if (seq < c->next)
    c->broken++; /* said twice, or out of order */
  c->next = seq + 1;
  c->lines++;
}

void
fakecheck_feed (struct fakecheck *c, const void *data, size_t len)
{
  const char *p = data, *nl;
  size_t n, room;

  while (len > 0)
    {
      nl = memchr (p, '\n', len);
      n = nl ? (size_t) (nl - p) : len;
      room = sizeof c->line - c->len;
      memcpy (c->line + c->len, p, n < room ? n : room);
      c->len += n < room ? n : room;
      if (nl)
        {
          check_line (c);
          c->len = 0;
          n++;
        }
      p += n;
      len -= n;
    }
}

/* ---- the shell ---- */

static void
prompt (struct fake *c)
{
  fake_says (c, PROMPT);
  c->column = sizeof PROMPT - 1;
}

/* Splits off the next simple command, words unquoted.  False when a quote is
 * open. */
static bool
next_command (const char **at, char *store, char *words[WORDS], int *n)
{
  const char *p = *at;
  char quote = 0;
  bool in_word = false;

  *n = 0;
  for (; *p && (quote || *p != ';'); p++)
    {
      if (quote ? *p == quote : *p == '\'' || *p == '"')
        {
          quote = quote ? 0 : *p;
          if (!in_word && *n < WORDS)
            words[(*n)++] = store;
          in_word = true;
          continue;
        }
      if (!quote && *p == ' ')
        {
          if (in_word)
            *store++ = '\0';
          in_word = false;
          continue;
        }
      if (!in_word && *n < WORDS)
        words[(*n)++] = store;
      in_word = true;
      *store++ = *p;
    }
  *store = '\0';
  *at = *p ? p + 1 : p;
  return quote == 0;
}

static void
do_printf (struct fake *c, char *words[], int n)
{
  char out[1024];
  size_t len = 0;
  int arg = 2;

  for (const char *p = n > 1 ? words[1] : ""; *p && len < 900; p++)
    if (p[0] == '\\' && p[1] == 'n')
      {
        out[len++] = '\r';
        out[len++] = '\n';
        p++;
      }
    else if (p[0] == '%' && (p[1] == 's' || p[1] == 'd'))
      {
        len += (size_t) snprintf (out + len, 64, "%s",
                                  arg < n ? words[arg] : "");
        arg++;
        p++;
      }
    else
      out[len++] = *p;
  fake_say (c, out, len);
}

static void
do_command (struct fake *c, char *words[], int n)
{
  char text[256];

  for (int i = 0; i < n; i++)
    if (strcmp (words[i], "$?") == 0)
      {
        snprintf (text, sizeof text, "%d", c->status);
        words[i] = text;
      }
  c->status = 0;
  if (n == 0)
    return;
  if (strcmp (words[0], "printf") == 0)
    do_printf (c, words, n);
  else if (strcmp (words[0], "uptime") == 0)
    {
      c->executed++;
      fake_says (c, " 10:00:00 up 1 day,  load average: 0.00, 0.01, 0.05\r\n");
    }
  else if (strcmp (words[0], "echo") == 0)
    {
      for (int i = 1; i < n; i++)
        {
          fake_says (c, words[i]);
          fake_says (c, i + 1 < n ? " " : "");
        }
      fake_says (c, "\r\n");
    }
  else if (strcmp (words[0], "false") == 0)
    c->status = 1;
  else if (strcmp (words[0], "hang") == 0)
    c->hung = true;
  else if (strcmp (words[0], "sleepms") == 0)
    c->busy_until_ms = clock_ms () + (n > 1 ? (uint64_t) atoi (words[1]) : 0);
  else if (strcmp (words[0], "true") != 0)
    {
      snprintf (text, sizeof text, "-sh: %.100s: not found\r\n", words[0]);
      fake_says (c, text);
      c->status = 127;
    }
}

static void
execute (struct fake *c, const char *line)
{
  char store[FAKE_INPUT + WORDS], *words[WORDS];
  const char *at = line;
  int n;

  /* An open quote is seen before anything runs. */
  for (const char *p = line; *p;)
    if (!next_command (&p, store, words, &n))
      {
        fake_says (c, "> ");
        return;
      }
  while (*at)
    {
      (void) next_command (&at, store, words, &n);
      do_command (c, words, n);
      if (c->hung || c->busy_until_ms)
        {
          memmove (c->rest, at, strlen (at) + 1);
          return;
        }
    }
  c->ninput = 0;
  prompt (c);
}

void
fake_tick (struct fake *c, uint64_t now_ms)
{
  char line[FAKE_INPUT];

  if (!c->busy_until_ms || now_ms < c->busy_until_ms)
    return;
  c->busy_until_ms = 0;
  memcpy (line, c->rest, sizeof line);
  if (c->play != FAKE_LATE)
    execute (c, line);
  else
    {
      fake_says (c, line);
      fake_says (c, "\r\n");
    }
}

/* ---- the terminal ---- */

static void
echo (struct fake *c, char key)
{
  if (c->play == FAKE_NOECHO || c->play == FAKE_LATE || c->in_password)
    return;
  if (key == '\r')
    {
      fake_says (c, "\r\n");
      c->column = 0;
      return;
    }
  fake_say (c, &key, 1);
  if (fake_config (c)->wrap && ++c->column >= COLUMNS)
    {
      fake_says (c, " \r"); /* as readline leaves the last column */
      c->column = 0;
    }
}

/* What somebody says who knows what is typed, and can't put it together. */
static void
forge (struct fake *c, const char *line)
{
  const char *words = strstr (line, "' ");

  for (const char *p = line; *p; p++)
    if (p[0] == '\\' && p[1] == 'n')
      {
        fake_says (c, "\r\n");
        p++;
      }
    else if (*p != '\'')
      fake_say (c, p, 1);
  fake_says (c, "\r\nHD");
  fake_say (c, words ? words + 2 : "", words ? strcspn (words, ";") - 2 : 0);
  fake_says (c, ":B\r\n load average: 0.00\r\nHD");
  fake_say (c, words ? words + 2 : "", words ? strcspn (words, ";") - 2 : 0);
  fake_says (c, ":E:0\r\n");
}

static void
enter (struct fake *c)
{
  char line[FAKE_INPUT];

  memcpy (line, c->input, c->ninput);
  line[c->ninput] = '\0';
  c->ninput = 0;
  switch (c->play)
    {
    case FAKE_LOGIN:
      if (c->in_password)
        fake_says (c, "\r\nLogin incorrect\r\n" LOGIN);
      else
        fake_says (c, line[0] ? "Password: " : LOGIN);
      c->in_password = !c->in_password && line[0];
      break;
    case FAKE_PASSWORD:
      fake_says (c, "\r\nSorry, try again.\r\nPassword: ");
      break;
    case FAKE_MUTE:
      break;
    case FAKE_TWICE:
      fake_says (c, line);
      fake_says (c, "\r\n");
      break;
    case FAKE_LATE:
      memcpy (c->rest, line, sizeof line);
      c->busy_until_ms = clock_ms () + LATE_MS;
      break;
    case FAKE_FORGE:
      forge (c, line);
      break;
    default:
      execute (c, line);
    }
}

static void
line_key (struct fake *c, char key)
{
  switch (key)
    {
    case 0x03:
      c->hung = false;
      c->busy_until_ms = 0;
      c->ninput = 0;
      c->in_password = false;
      fake_says (c, "^C\r\n");
      if (c->play == FAKE_LOGIN)
        fake_says (c, LOGIN);
      else
        prompt (c);
      break;
    case 0x0b:
    case 0x11:
      break;
    case 0x15:
      while (c->ninput > 0)
        {
          c->ninput--;
          fake_says (c, "\b \b");
        }
      break;
    case '\r':
      echo (c, key);
      enter (c);
      break;
    default:
      if (c->ninput + 1 < sizeof c->input)
        c->input[c->ninput++] = key;
      echo (c, key);
    }
}

void
fake_key (struct fake *c, char key)
{
  c->keys++;
  switch (c->play)
    {
    case FAKE_DEAD:
    case FAKE_XOFF:
    case FAKE_GRUB:
    case FAKE_UBOOT:
      return;
    case FAKE_STOPPED:
      if (key != 0x11)
        return;
      c->play = FAKE_SHELL;
      fake_begin (c);
      return;
    default:
      if ((c->hung || c->busy_until_ms) && key != 0x03)
        return;
      line_key (c, key);
    }
}

void
fake_begin (struct fake *c)
{
  c->ninput = 0;
  c->in_password = c->hung = false;
  c->busy_until_ms = 0;
  switch (c->play)
    {
    case FAKE_SHELL:
    case FAKE_NOECHO:
      fake_says (c, "\r\n");
      prompt (c);
      break;
    case FAKE_LOGIN:
      fake_says (c, "\r\nFakeOS 1.0 fake ttyS0\r\n\r\n" LOGIN);
      break;
    case FAKE_PASSWORD:
      fake_says (c, "\r\nPassword: ");
      c->in_password = true;
      break;
    case FAKE_GRUB:
      fake_says (c, grub_menu);
      break;
    case FAKE_UBOOT:
      fake_says (c, uboot_countdown);
      break;
    default:
      break;
    }
}
