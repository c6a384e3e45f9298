/* SPDX-License-Identifier: Apache-2.0
 *
 * Kind memory-tasks: what one look, or two, mean.
 */
#include "kind-bed.h"

#include "base/json.h"

#define TASKS(extra)                                                          \
  "{\"name\":\"n\",\"kind\":\"memory-tasks\",\"samples-apart\":\"200ms\","    \
  "\"blocked-for\":\"30s\"" extra "}"

#define STACK                                                                 \
  "{'row':'stack','id':1,'frames':['__schedule+0x1/0x2','schedule+0x1/0x2',"  \
  "'io_schedule+0x1/0x2','zoo_read+0x1/0x2'],'end':'user'}\n"             \
  "{'row':'stack','id':2,'frames':['__schedule+0x1/0x2','schedule+0x1/0x2',"  \
  "'wait_for_completion_killable+0x1/0x2','kernel_clone+0x1/0x2'],"           \
  "'end':'user'}\n"
#define TASK(pid, state, since, stack)                                        \
  "{'row':'task','pid':" #pid ",'comm':'t" #pid "','state':'" state           \
  "','since_s':" #since ",'stack':" #stack "}\n"
#define MOVED(pid, stuck)                                                     \
  "{'row':'moved','what':'task','pid':" #pid ",'state':'D','stuck':" stuck    \
  "}\n"
#define REQUEST(age)                                                          \
  "{'row':'request','disk':'vda','tag':7,'age_s':" #age "}\n"
#define REQUEST_MOVED                                                         \
  "{'row':'moved','what':'request','disk':'vda','queue':0,'tag':7,'stuck':"   \
  "true}\n"

static void
says (const char *text, const char *first, const char *second,
      enum outcome outcome, const char *code, const char *sentence)
{
  struct guest g = guest ();
  struct outcome_report r;

  play.rows[0] = first;
  play.rows[1] = second ? second : "";
  play.looks = 0;
  assert_int_equal (run_on (text, &g, &r), 0);
  if (r.outcome != outcome || strcmp (r.code, code) != 0
      || !strstr (r.sentence, sentence))
    fail_msg ("%s %s: %s", outcome_names[r.outcome], r.code, r.sentence);
  assert_int_equal (outcome_code_find (r.code)->outcome, r.outcome);
  /* Who is well is looked at once. */
  assert_int_equal (play.looks, first ? second ? 2 : 1 : 0);
}

static void
who_is_well_is_looked_at_once (void **state)
{
  fresh ();
  says (TASKS (""), STACK TASK (5, "D", 29.9, 1) TASK (6, "S", 900, 1)
                        REQUEST (3.5),
        NULL, OUTCOME_OK, "ok", "no task");
  /* Its child does not come, and it may wait for that. */
  says (TASKS (""), STACK TASK (5, "D", 900, 2), NULL, OUTCOME_OK, "ok", "");
  says (TASKS (",\"disks\":false"), STACK REQUEST (900), NULL, OUTCOME_OK,
        "ok", "");
  says (TASKS (""),
        "{'row':'mount','type':'ext4','device':'vda','read_only':true}\n",
        NULL, OUTCOME_OK, "ok", "");
}

static void
what_does_not_move_is_stuck (void **state)
{
  fresh ();
  says (TASKS (""), STACK TASK (5, "D", 31, 1),
        STACK TASK (5, "D", 32, 1) MOVED (5, "true"), OUTCOME_FAILED,
        "tasks-stuck", "1 task waits in its kernel: t5 (5) for 32 s, in "
                       "zoo_read");
  says (TASKS (""), STACK TASK (5, "D", 31, 1) TASK (6, "D", 50, 1),
        STACK TASK (5, "D", 32, 1) TASK (6, "D", 51, 1) MOVED (5, "true")
            MOVED (6, "true"),
        OUTCOME_FAILED, "tasks-stuck", "2 tasks wait in its kernel: t6 (6)");
  /* A request says which disk. */
  says (TASKS (""), STACK TASK (5, "D", 31, 1) REQUEST (31),
        STACK TASK (5, "D", 32, 1) REQUEST (32) MOVED (5, "true")
            REQUEST_MOVED,
        OUTCOME_FAILED, "disk-stalled", "disk vda");
}

/* One that forks, or ends after a signal, and hangs at that: of whoever waits
 * for his child, and of the frozen, only what they wait in is the same. */
static void
who_hangs_further_in_is_stuck (void **state)
{
#define SLEEPS "'__schedule+0x1/0x2','schedule+0x1/0x2',"
  static const char stacks[]
      = "{'row':'stack','id':1,'frames':[" SLEEPS "'zoo_release+0x1/0x2',"
        "'__fput+0x1/0x2','do_exit+0x1/0x2','do_group_exit+0x1/0x2',"
        "'get_signal+0x1/0x2'],'end':'user'}\n"
        "{'row':'stack','id':2,'frames':[" SLEEPS "'zoo_dup+0x1/0x2',"
        "'copy_process+0x1/0x2','kernel_clone+0x1/0x2'],'end':'user'}\n"
        "{'row':'stack','id':3,'frames':[" SLEEPS "'get_signal+0x1/0x2'],"
        "'end':'user'}\n"
        "{'row':'stack','id':4,'frames':[" SLEEPS "'__refrigerator+0x1/0x2',"
        "'get_signal+0x1/0x2'],'end':'user'}\n";
  char first[3000], second[3200];

  fresh ();
  for (int i = 1; i <= 4; i++)
    {
      snprintf (first, sizeof first, "%s{'row':'task','pid':5,'comm':'t5',"
                "'state':'D','since_s':31,'stack':%d}\n", stacks, i);
      snprintf (second, sizeof second, "%s%s", first, MOVED (5, "true"));
      if (i == 4)
        says (TASKS (""), first, NULL, OUTCOME_OK, "ok", "no task");
      else
        says (TASKS (""), first, second, OUTCOME_FAILED, "tasks-stuck",
              i == 1   ? "in zoo_release"
              : i == 2 ? "in zoo_dup"
                       : "t5 (5)");
    }
}

static void
what_moves_is_well (void **state)
{
  fresh ();
  /* It ran; it is gone, and another one waits just now; answered. */
  says (TASKS (""), STACK TASK (5, "D", 31, 1),
        STACK TASK (5, "D", 32, 1) MOVED (5, "false"), OUTCOME_OK, "ok",
        "got on");
  says (TASKS (""), STACK TASK (5, "D", 31, 1),
        STACK TASK (6, "D", 0.1, 1) MOVED (6, "true"), OUTCOME_OK, "ok", "");
  says (TASKS (""), STACK REQUEST (31), STACK REQUEST (32), OUTCOME_OK, "ok",
        "got on");
}

#define GIVEN_UP                                                              \
  "{'row':'mount','type':'ext4','device':'vda','read_only':true,'given_up':"  \
  "true}\n"
#define SAID                                                                  \
  "{'row':'mount','type':'ext4','device':'vda','read_only':false}\n"          \
  "{'row':'dmesg','us':5,'facility':0,'text':'EXT4-fs error (device vda): "   \
  "x:1: comm sh: zoo'}\n"                                                     \
  "{'row':'dmesg','us':6,'facility':%d,'text':'EXT4-fs (vda): Remounting "    \
  "filesystem read-only'}\n"

static void
what_was_given_up_is_told (void **state)
{
  char text[1000];

  fresh ();
  says (TASKS (""), GIVEN_UP, NULL, OUTCOME_FAILED, "fs-given-up",
        "ext4 on vda");
  says (TASKS (",\"filesystems\":false"), GIVEN_UP, NULL, OUTCOME_OK, "ok",
        "");
  /* By its own log; anybody may write there, too, as somebody else. */
  snprintf (text, sizeof text, SAID, 0);
  says (TASKS (""), text, NULL, OUTCOME_FAILED, "fs-given-up", "read-only");
  says (TASKS (",\"filesystems\":false"), text, NULL, OUTCOME_OK, "ok", "");
  snprintf (text, sizeof text, SAID, 1);
  says (TASKS (""), text, NULL, OUTCOME_OK, "ok", "");
}

static void
who_is_not_read_has_no_verdict (void **state)
{
  fresh ();
  says (TASKS (""), NULL, NULL, OUTCOME_NO_VERDICT, "no-heartbeat",
        "no right to");
  play.no_kernel = "no\033 kernel yet";
  says (TASKS (""), "", NULL, OUTCOME_NO_VERDICT, "no-heartbeat",
        "kernel yet");
}

/* What comes is a stranger's. */
static void
strange_rows_are_borne (void **state)
{
  static const char *const rows[]
      = { "{'row':'stack'}\n{'row':'stack','frames':7}\n"
          "{'row':'stack','id':1,'frames':[1,null,{}]}\n",
          "{'row':'task'}\n{'row':'task','state':7,'since_s':'x'}\n"
          "{'row':'task','state':'D'}\n{'row':'task','state':'D','since_s':"
          "-1e300}\n",
          "{'row':'moved'}\n{'row':'moved','what':'task','stuck':true}\n"
          "{'row':'moved','what':7,'stuck':true}\n",
          "{'row':'mount','given_up':true}\n{'row':'dmesg'}\n[]\n7\n{\n\n",
          "{'row':'request','age_s':[]}\n{'no':1}" };
  char many[16000] = "";

  fresh ();
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    says (TASKS (""), rows[i], NULL, OUTCOME_OK, "ok", "");
  for (int i = 0; i < 200; i++)
    snprintf (many + strlen (many), sizeof many - strlen (many),
              "{'row':'task','state':'D','since_s':1e9,'pid':%d}\n", i);
  says (TASKS (""), many, many, OUTCOME_OK, "ok", "got on");
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (who_is_well_is_looked_at_once),
    cmocka_unit_test (what_does_not_move_is_stuck),
    cmocka_unit_test (who_hangs_further_in_is_stuck),
    cmocka_unit_test (what_moves_is_well),
    cmocka_unit_test (what_was_given_up_is_told),
    cmocka_unit_test (who_is_not_read_has_no_verdict),
    cmocka_unit_test (strange_rows_are_borne),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
