/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog completion: shell completion, made from the table of verbs, so that
 * it never falls behind.
 */
#include "supervisor/cli/cli.h"
#include "supervisor/cli/status.h"

#include "base/cleanup.h"

#include <ctype.h>
#include <string.h>

/* Calls fn for each --option that the verb's usage names. */
static void
options_of (const struct verb *v,
            void (*fn) (const char *opt, size_t len, void *arg), void *arg)
{
  /* The usage line is the only list of options there is: completion cannot
   * fall behind it. */
  const char *p = v->args;

  while ((p = strstr (p, "--")))
    {
      size_t len = 2;

      while (isalnum ((unsigned char) p[len]) || p[len] == '-')
        len++;
      fn (p, len, arg);
      p += len;
    }
}

/* Behind the option at p, and its value: "--playbook no-touch|quick]". */
static const char *
behind_option (const char *p)
{
  p += strcspn (p, " ]\n");
  if (*p == ' ' && p[1] != '|' && p[1] != '[')
    p += 1 + strcspn (p + 1, " ]\n");
  return p;
}

/* And for each word to be typed as it stands: "check FILE... | schema" has
 * two.  A second line of usage begins with the verb itself, which is none. */
static void
words_of (const struct verb *v,
          void (*fn) (const char *word, size_t len, void *arg), void *arg)
{
  const char *p = v->args;

  while (*p)
    {
      size_t len = strcspn (p, " []|.\n");
      bool word = len > 0;

      if (strncmp (p, "--", 2) == 0)
        {
          p = behind_option (p);
          continue;
        }
      for (size_t i = 0; i < len && word; i++)
        word = islower ((unsigned char) p[i]);
      if (word && strncmp (p, "hangdog", len) != 0
          && strncmp (p, v->name, len) != 0)
        fn (p, len, arg);
      p += len + (p[len] != '\0');
    }
}

static void
print_word (const char *opt, size_t len, void *arg)
{
  printf (" %.*s", (int) len, opt);
}

static bool
takes_guest (const struct verb *v)
{
  return strstr (v->args, "GUEST") != NULL;
}

/* Names are their guests' owners' to choose, and a shell would run what stands
 * in one: only those of which nothing is special are offered.  Only a daemon
 * that runs is asked: a key must not start one. */
#define GUESTS                                                                \
  "hangdog list --no-start --json 2>/dev/null | sed -n "                      \
  "'s/.*\"display\":\"\\([A-Za-z0-9_][A-Za-z0-9_.+-]*\\)\".*/\\1/p'"

/* Within quotes like these: 'it'\''s', and for fish 'it\'s'. */
static void
print_quoted (const char *text, const char *quote)
{
  putchar ('\'');
  for (; *text; text++)
    if (*text == '\'')
      fputs (quote, stdout);
    else
      putchar (*text);
  putchar ('\'');
}

/* An operator may have playbooks of his own; their names are fit for a
 * shell. */
#define PLAYBOOKS                                                             \
  "hangdog playbook list --json 2>/dev/null | sed -n "                        \
  "'s/^{\"row\":\"playbook\",\"name\":\"\\([A-Za-z0-9._-]*\\)\".*/\\1/p'"

/* What may follow a word; of one verb, where others mean something else by
 * it. */
static const struct
{
  const char *option;
  const char *const *values; /* NULL: the names of playbooks */
  const char *verb; /* NULL: any */
} values[] = {
  { "--playbook", NULL, NULL },
  { "show", NULL, "playbook" },
  { "--for", health_words, "wait" },
  { "--from", console_words, "scenario" },
};

static void
print_values (const char *const *list, const char *playbooks)
{
  if (!list)
    fputs (playbooks, stdout);
  for (size_t i = 0; list && list[i]; i++)
    printf ("%s%s", i ? " " : "", list[i]);
}

/* ---- bash ---- */

static void
bash_values (void)
{
  puts ("  case $verb:$prev in");
  for (size_t i = 0; i < ARRAY_LEN (values); i++)
    {
      printf ("  %s:%s) COMPREPLY=($(compgen -W \"",
              values[i].verb ? values[i].verb : "*", values[i].option);
      print_values (values[i].values, "$(_hangdog_playbooks)");
      puts ("\" -- \"$cur\")); return ;;");
    }
  puts ("  *:--run|*:--state|*:--config|*:--data|*:--token-file|*:-o) return ;;"
        "\n  esac");
}

static void
bash (void)
{
  puts ("_hangdog_guests ()\n{\n  " GUESTS "\n}\n"
        "_hangdog_playbooks ()\n{\n  " PLAYBOOKS "\n}\n"
        "_hangdog ()\n{\n"
        "  local cur=${COMP_WORDS[COMP_CWORD]} "
        "prev=${COMP_WORDS[COMP_CWORD-1]} verb= i\n"
        "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
        "    case ${COMP_WORDS[i]} in\n"
        "    --run|--state|--config) ((i++)) ;;\n"
        "    -*) ;;\n"
        "    *) verb=${COMP_WORDS[i]}; break ;;\n"
        "    esac\n"
        "  done");
  bash_values ();
  fputs ("  case $verb in\n  '') COMPREPLY=($(compgen -W \"--run --state "
         "--config --json --help",
         stdout);
  for (unsigned i = 0; verbs[i]; i++)
    printf (" %s", verbs[i]->name);
  puts ("\" -- \"$cur\")) ;;");
  for (unsigned i = 0; verbs[i]; i++)
    {
      printf ("  %s) COMPREPLY=($(compgen -W \"", verbs[i]->name);
      words_of (verbs[i], print_word, NULL);
      fputs (" --json --help", stdout);
      options_of (verbs[i], print_word, NULL);
      if (takes_guest (verbs[i]))
        fputs (" $(_hangdog_guests)", stdout);
      puts ("\" -- \"$cur\")) ;;");
    }
  puts ("  esac\n}\ncomplete -o default -F _hangdog hangdog");
}

/* ---- zsh ---- */

static void
zsh (void)
{
  puts ("#compdef hangdog\n_hangdog_guests() {\n  " GUESTS "\n}\n"
        "_hangdog_playbooks() {\n  " PLAYBOOKS "\n}\n"
        "_hangdog() {\n  if (( CURRENT == 2 )); then\n"
        "    local -a verbs=(");
  for (unsigned i = 0; verbs[i]; i++)
    {
      printf ("      %s:", verbs[i]->name);
      print_quoted (verbs[i]->summary, "'\\''");
      putchar ('\n');
    }
  puts ("    )\n    _describe verb verbs\n    return\n  fi\n"
        "  case $words[2]:$words[CURRENT-1] in");
  for (size_t i = 0; i < ARRAY_LEN (values); i++)
    {
      printf ("  %s:%s) compadd -- ",
              values[i].verb ? values[i].verb : "*", values[i].option);
      print_values (values[i].values,
                    "${(f)\"$(_hangdog_playbooks)\"}");
      puts ("; return ;;");
    }
  puts ("  esac\n  case $words[2] in");
  for (unsigned i = 0; verbs[i]; i++)
    {
      printf ("  %s) compadd -- --json", verbs[i]->name);
      words_of (verbs[i], print_word, NULL);
      options_of (verbs[i], print_word, NULL);
      if (takes_guest (verbs[i]))
        fputs (" ${(f)\"$(_hangdog_guests)\"}", stdout);
      puts ("; _files ;;");
    }
  puts ("  esac\n}\n_hangdog \"$@\"");
}

/* ---- fish ---- */

static void
fish_begin (const char *verb)
{
  printf ("complete -c hangdog -n '__fish_seen_subcommand_from %s' ", verb);
}

static void
print_fish (const char *opt, size_t len, void *arg)
{
  fish_begin (arg);
  printf ("-l %.*s", (int) len - 2, opt + 2);
  for (size_t i = 0; i < ARRAY_LEN (values); i++)
    if (strncmp (values[i].option, opt, len) == 0
        && values[i].option[len] == '\0'
        && (!values[i].verb || strcmp (values[i].verb, arg) == 0))
      {
        fputs (" -x -a '", stdout);
        print_values (values[i].values, "(__hangdog_playbooks)");
        putchar ('\'');
      }
  putchar ('\n');
}

static void
print_fish_word (const char *word, size_t len, void *arg)
{
  fish_begin (arg);
  printf ("-a %.*s\n", (int) len, word);
}

static void
fish (void)
{
  puts ("function __hangdog_guests\n  " GUESTS "\nend\n"
        "function __hangdog_playbooks\n  " PLAYBOOKS "\nend");
  for (unsigned i = 0; verbs[i]; i++)
    {
      printf ("complete -c hangdog -n __fish_use_subcommand -a %s -d ",
              verbs[i]->name);
      print_quoted (verbs[i]->summary, "\\'");
      putchar ('\n');
      words_of (verbs[i], print_fish_word, (void *) verbs[i]->name);
      options_of (verbs[i], print_fish, (void *) verbs[i]->name);
      if (takes_guest (verbs[i]))
        {
          fish_begin (verbs[i]->name);
          puts ("-a '(__hangdog_guests)'");
        }
    }
}

static int
run (struct cli *cli)
{
  const char *shell = cli_arg (cli, 1);
  int r = cli_rest (cli, &verb_completion, 1);

  if (r)
    return r;
  if (shell && strcmp (shell, "bash") == 0)
    bash ();
  else if (shell && strcmp (shell, "zsh") == 0)
    zsh ();
  else if (shell && strcmp (shell, "fish") == 0)
    fish ();
  else
    return cli_usage (&verb_completion, "for bash, zsh or fish?");
  return EXIT_WELL;
}

const struct verb verb_completion = {
  .name = "completion",
  .args = "bash | zsh | fish",
  .summary = "print completion for a shell",
  .help = "Exit codes: 0, 2 no such shell.\n"
          "\nExample:\n  hangdog completion bash "
          ">/etc/bash_completion.d/hangdog\n",
  .run = run,
};
