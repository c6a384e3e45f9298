/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the guest's kernel has its console.
 *
 * BREAK and ^O are SysRq only there; on another the key is typed at whoever
 * reads it.  The kernel's memory has its console= words, and somebody in it can
 * read /proc/consoles; where neither is at hand, its own text that came over a
 * console in this boot says that it is one, which whoever reads along remembers
 * for longer than it is kept.  What is not known is not typed at.
 */
#include "diag/collect/sysrq_impl.h"

#include "base/cleanup.h"
#include "diag/collect/collect.h"
#include "kernel/text/sysrq.h"
#include "transports/console/hub.h"

#include <stdio.h>
#include <string.h>

#define MAX_TEXT (512u << 10)

static void
add (struct sysrq_state *to, const char *name, size_t n)
{
  size_t len = strlen (to->consoles);

  if (n > 0 && len + n + 2 < sizeof to->consoles)
    snprintf (to->consoles + len, sizeof to->consoles - len, "%.*s ", (int) n,
              name);
}

void
sysrq_where_cmdline (struct sysrq_state *to, const char *cmdline)
{
  static const char word[] = "console=";

  for (const char *p = cmdline; (p = strstr (p, word)) != NULL; p++)
    if (p == cmdline || p[-1] == ' ')
      add (to, p + sizeof word - 1,
           strcspn (p + sizeof word - 1, " ,"));
}

/* "ttyS0                -W- (EC   a)    4:64" */
void
sysrq_where_proc (struct sysrq_state *to, const char *text, size_t len)
{
  const char *end = text + len, *nl;

  to->consoles[0] = '\0';
  for (; text < end; text = nl + 1)
    {
      size_t n = 0;

      nl = memchr (text, '\n', (size_t) (end - text));
      if (!nl)
        return;
      while (text + n < nl && text[n] > ' ' && text[n] < 0x7f)
        n++;
      /* An empty line, or what is no such row. */
      if (n < (size_t) (nl - text) && text[n] == ' ')
        add (to, text, n);
    }
}

/* ttyS1 is the second serial port, and its chardev is called so: those before
 * it may lead nowhere that is known here.  Of others, how many of its kind
 * stand before it. */
static unsigned
number_of (const struct guest *g, const struct guest_console *con)
{
  const char *serial = strstr (con->alias, "serial");
  unsigned n = 0;

  if (con->device == CONSOLE_DEV_SERIAL && serial
      && sscanf (serial, "serial%3u", &n) == 1)
    return n;
  n = 0;
  for (unsigned i = 0; i < g->nconsoles && &g->consoles[i] != con; i++)
    n += g->consoles[i].device == con->device;
  return n;
}

/* Is "ttyS0" or the like, with that number, among the kernel's? */
static bool
listed (const char *consoles, const char *const *names, unsigned number)
{
  char word[24];

  for (; *names; names++)
    {
      snprintf (word, sizeof word, "%s%u ", *names, number);
      for (const char *p = consoles; (p = strstr (p, word)) != NULL; p++)
        if (p == consoles || p[-1] == ' ')
          return true;
    }
  return false;
}

static bool
text_seen (const struct collect_ctx *ctx, const struct guest_console *con)
{
  struct buf text CLEANUP_BUF = BUF_INIT (MAX_TEXT);
  const struct transport_env *env = ctx->env;
  struct sysrq_dump *d = NULL;
  size_t n = 0;
  int told = env->kernel_prints
                 ? env->kernel_prints (env->kernel_prints_arg,
                                       ctx->guest->inc.uuid, con->name)
                 : -1;

  /* He also knows a log that somebody had shown there. */
  if (told >= 0)
    return told > 0;
  if (hub_kept (ctx->env->hub, ctx->guest->inc.uuid, con->name, &text, NULL,
                NULL)
          < 0
      || text.len == 0
      || collect_sysrq_read (buf_str (&text), text.len, &d, &n, NULL) < 0)
    return false;
  sysrq_dump_free (d);
  return n > 0;
}

bool
sysrq_is_linux (const struct collect_ctx *ctx,
                const struct sysrq_state *state)
{
  const struct guest *g = ctx->guest;

  if (state->linux_seen)
    return true;
  for (unsigned i = 0; i < g->nconsoles; i++)
    if (text_seen (ctx, &g->consoles[i]))
      return true;
  return false;
}

unsigned
sysrq_kernel_at (const struct collect_ctx *ctx,
                 const struct sysrq_state *state,
                 const struct guest_console *con)
{
  static const char *const serial[]
      = { "ttyS", "ttyAMA", "ttyMSM", "ttySC", "ttymxc", "ttyLP", "uart",
          NULL };
  static const char *const hvc[] = { "hvc", NULL };
  unsigned all = SYSRQ_AT_SERIAL | SYSRQ_AT_HVC, of = 0, number;

  if (con->device == CONSOLE_DEV_SERIAL)
    all = SYSRQ_AT_SERIAL;
  else if (con->device == CONSOLE_DEV_VIRTIO)
    all = SYSRQ_AT_HVC;
  if (!state)
    return all;
  if (!state->consoles[0])
    return text_seen (ctx, con) ? all : 0;
  number = number_of (ctx->guest, con);
  if (listed (state->consoles, serial, number))
    of |= SYSRQ_AT_SERIAL;
  if (listed (state->consoles, hvc, number))
    of |= SYSRQ_AT_HVC;
  return of & all;
}

const struct guest_console *
sysrq_choose (const struct collect_ctx *ctx, const struct sysrq_state *state,
              const char *want, unsigned *ret_where)
{
  const struct guest *g = ctx->guest;
  const struct guest_console *first = NULL, *con;

  *ret_where = 0;
  if (want)
    {
      con = guest_console_find (g, want);
      *ret_where = con ? sysrq_kernel_at (ctx, state, con) : 0;
      return con;
    }
  for (unsigned i = 0; i < g->nconsoles; i++)
    {
      con = &g->consoles[i];
      if (con->kind == CONSOLE_LOG || con->mode == CONSOLE_TAIL)
        continue;
      first = first ? first : con;
      *ret_where = sysrq_kernel_at (ctx, state, con);
      if (*ret_where)
        return con;
    }
  return first;
}
