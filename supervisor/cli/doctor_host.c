/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog doctor without a guest: what this host lacks.  Looks at the host
 * with the rights of whoever calls; says the exact command that mends each.
 */
#include "supervisor/cli/classify.h"
#include "supervisor/cli/cli.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "config.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

struct exam
{
  bool json;
  struct doctor_count count;
  unsigned sources;
};

static void
line (struct exam *e, const char *state, const char *what,
      const char *finding, const char *fix)
{
  struct json_object *row;
  char text[128];

  doctor_add (&e->count, state);
  if (e->json)
    {
      row = json_object_new_object ();
      json_add_str (row, "transport", "host");
      json_add_str (row, "state", state);
      json_add_str (row, "what", what);
      json_add_str (row, "finding", finding);
      if (fix)
        json_add_str (row, "fix", fix);
      print_json (row);
      json_object_put (row);
      return;
    }
  snprintf (text, sizeof (text), "%-5s %s: ", state, what);
  print_paragraph (stdout, text, finding);
  if (fix)
    print_paragraph (stdout, "      mend it: ", fix);
}

static void
programs (struct exam *e, const struct cli *cli)
{
  static const char *const names[]
      = { "hangdog-keeper", "hangdog-daemon", "hangdog-writer",
          "hangdog-parser", "hangdog-beat",   "hangdog-disk",
          "hangdog-exec",   "hangdog-check",
#ifdef WITH_LIBVIRT
          "hangdog-daemon-libvirt",
#endif
#ifdef WITH_LIBARCHIVE
          "hangdog-parser-foreign",
#endif
#ifdef WITH_SSH
          "hangdog-ssh",
#endif
#ifdef WITH_CURL
          "hangdog-net",
#endif
        };
  char path[4096];

  for (unsigned i = 0; i < ARRAY_LEN (names); i++)
    {
      snprintf (path, sizeof (path), "%s/%s", cli->libexec, names[i]);
      /* The first that is missing is enough: they are installed together. */
      if (access (path, X_OK) < 0)
        {
          line (e, "bad", path, strerror (errno),
                "make install (or set HANGDOG_LIBEXEC to the build folder)");
          return;
        }
    }
  line (e, "ok", "programs", cli->libexec, NULL);
}

static void
not_supported (const char *what, const char *why, void *arg)
{
  line (arg, "warn", what, why, NULL);
}

/* The running daemon knows where it looks. */
static int
source_row (struct json_object *row, const void *body, size_t len, void *arg)
{
  struct exam *e = arg;
  const char *kind = json_get_str (row, "row");
  const char *state = json_get_str (row, "state");

  if (!kind || strcmp (kind, "source") != 0)
    return 0;
  e->sources++;
  if (json_get_bool (row, "healthy", false))
    line (e, "ok", "source", state ? state : "?", NULL);
  else
    line (e, "bad", "source", state ? state : "?",
          "journalctl -u hangdog --since -1h");
  return 0;
}

static bool
ask_daemon (struct exam *e, const struct cli *cli)
{
  struct client *c = NULL;
  struct error err = ERROR_INIT;

  if (client_open (cli, false, &c, &err) == 0)
    {
      client_call (c, client_request ("list", NULL), source_row, e, &err);
      client_close (c);
    }
  return e->sources > 0;
}

static void
sources (struct exam *e)
{
  bool any = false;

#ifdef WITH_LIBVIRT
  if (access ("/run/libvirt/libvirt-sock", F_OK) == 0
      || access ("/run/libvirt/virtqemud-sock", F_OK) == 0)
    {
      line (e, "ok", "libvirt", "its system socket is there", NULL);
      any = true;
    }
#endif
  if (access ("/run/hypervisor/kvm", F_OK) == 0)
    {
      line (e, "ok", "run directory", "/run/hypervisor/kvm (EVE)", NULL);
      any = true;
    }
  if (!any)
    line (e, "warn", "guests",
          "neither libvirt's socket nor a QEMU run directory is on this host; "
          "others are named as \"sources\" in the configuration",
          "systemctl start libvirtd");
}

/* As a daemon would find them now. */
static void
rules (struct exam *e, const struct cli *cli)
{
  struct text_rules_read read = { 0 };
  struct error err = ERROR_INIT;
  CLEANUP_CONFIG const struct config *cfg = NULL;
  char text[80];
  int r;

  r = local_config (cli->config_path, &cfg, &err);
  if (r != 0)
    line (e, "bad", "configuration", error_text (&err),
          "mend the file, then: hangdog config check");
  if (r < 0)
    return;
  if (local_rules (cfg, &read, &err) == 0)
    {
      for (unsigned i = 0; i < conf_taken_told (&read.own); i++)
        line (e, "bad", "text rules", error_text (&read.own.faults[i].err),
              "mend the file, then: hangdog rules check");
      snprintf (text, sizeof (text), "%u of yours, in %u files", read.added,
                read.own.taken);
      if (read.own.missing)
        line (e, "warn", "text rules", "a folder of the configuration is not "
              "there", "hangdog config check");
      if (read.own.nfaults == 0 && read.own.files)
        line (e, "ok", "text rules", text, NULL);
    }
  text_rules_read_done (&read);
}

struct found_playbooks
{
  struct exam *e;
  unsigned own, bad;
};

static void
playbook_row (struct json_object *row, void *arg)
{
  struct found_playbooks *found = arg;
  char text[1200];
  int64_t line_no = json_get_int (row, "line", 0);

  if (strncmp (row_str (row, "origin"), "file ", 5) == 0)
    found->own++;
  if (strcmp (row_str (row, "row"), "finding") != 0)
    return;
  if (strcmp (row_str (row, "severity"), "error") != 0)
    {
      line (found->e, "warn", "playbooks",
            "a folder of the configuration is not there",
            "hangdog config check");
      return;
    }
  found->bad++;
  snprintf (text, sizeof (text), "%.400s", row_str (row, "file"));
  if (line_no)
    snprintf (text, sizeof (text), "%.400s:%lld:%lld", row_str (row, "file"),
              (long long) line_no, (long long) json_get_int (row, "column", 0));
  snprintf (text + strlen (text), sizeof (text) - strlen (text),
            ": %.200s%s%.400s", row_str (row, "path"),
            row_str (row, "path")[0] ? ": " : "", row_str (row, "message"));
  line (found->e, "bad", "playbooks", text,
        "mend the file, then: hangdog playbook list");
}

/* As a daemon would find them now, too. */
static void
playbooks (struct exam *e, const struct cli *cli)
{
  struct found_playbooks found = { .e = e };
  struct program list;
  char text[80];

  program_init (&list, "hangdog-check");
  program_arg (&list, "--playbook");
  program_arg (&list, "list");
  program_arg (&list, "--json");
  if (cli->config_path)
    {
      program_arg (&list, "--config");
      program_arg (&list, cli->config_path);
    }
  (void) program_rows (cli, &list, playbook_row, &found);
  if (found.own == 0 || found.bad)
    return;
  snprintf (text, sizeof (text), "%u of yours", found.own);
  line (e, "ok", "playbooks", text, NULL);
}

static void
yama (struct exam *e)
{
  FILE *f = fopen ("/proc/sys/kernel/yama/ptrace_scope", "re");
  int scope = 0;

  if (f && fscanf (f, "%d", &scope) == 1 && scope >= 3)
    line (e, "warn", "Yama",
          "ptrace_scope is 3: even root may not read a guest's memory",
          "echo kernel.yama.ptrace_scope=1 >/etc/sysctl.d/zz-hangdog.conf && "
          "reboot");
  else
    line (e, "ok", "Yama", "the keeper may read a guest's memory", NULL);
  if (f)
    fclose (f);
}

static void
space (struct exam *e, const struct cli *cli)
{
  struct statvfs v;
  char text[128];

  if (statvfs (cli->state_path, &v) < 0)
    {
      line (e, "ok", "state", "its folder is made at the first start", NULL);
      return;
    }
  snprintf (text, sizeof (text), "%s has %llu MiB free", cli->state_path,
            (unsigned long long) v.f_bavail * v.f_frsize >> 20);
  /* The default of spool-free-floor: the spool leaves so much to others. */
  if (v.f_bavail * v.f_frsize < (256u << 20))
    line (e, "warn", "disk", text,
          "hangdog spool list sent; hangdog spool drop INCIDENT");
  else
    line (e, "ok", "disk", text, NULL);
}

int
doctor_host (struct cli *cli)
{
  struct exam e = { .json = cli->json };

  programs (&e, cli);
  if (geteuid () != 0)
    line (&e, "warn", "rights",
          "you are not root: guests of others are out of reach",
          "sudo hangdog daemon");
  else
    line (&e, "ok", "rights", "root starts the keeper", NULL);
  if (getpwnam ("hangdog"))
    line (&e, "ok", "user", "the daemon runs as user hangdog", NULL);
  else
    line (&e, "warn", "user",
          "there is no user hangdog: the daemon runs as nobody, the writer as "
          "root without capabilities",
          "adduser --system --group --home /var/lib/hangdog hangdog");
  /* Its configuration counts; without it, what a daemon would find. */
  if (!ask_daemon (&e, cli))
    sources (&e);
  rules (&e, cli);
  playbooks (&e, cli);
  unsupported_each (not_supported, &e);
  yama (&e);
  space (&e, cli);
  return doctor_end (&e.count, cli->json);
}
