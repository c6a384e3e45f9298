/* SPDX-License-Identifier: Apache-2.0
 *
 * Which application is behind a scenario, by rows of a look; and above all
 * which is not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/fact.h"
#include "base/json.h"
#include "diag/facts.h"
#include "diag/outside/apps.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char have[4096];

static void
on_fact (const struct fact *f, void *arg)
{
  const struct fact_kind *k = fact_kind_find (f->name);
  size_t n = strlen (have);

  if (!k || k->type != f->type
      || (k->unit[0] && !fact_is_word (k->unit, f->text)))
    fail_msg ("%s is not in diag/facts.def", f->name);
  snprintf (have + n, sizeof have - n, "%s=%s\n", f->name, f->text);
}

static struct json_object *
parse (const char *text)
{
  char *copy = strdup (text);
  struct json_object *o;

  for (char *p = copy; *p; p++)
    *p = *p == '\'' ? '"' : *p;
  o = json_tokener_parse (copy);
  if (!o)
    fail_msg ("no JSON: %s", text);
  free (copy);
  return o;
}

/* What scenario "s" with these hints says of these rows. */
static void
look (const char *hints, const char *rows)
{
  const struct incarnation inc = { .uuid = "u" };
  struct outside *o = outside_new ();
  struct json_object *h = parse (hints), *row;
  struct apps_asked asked;
  char *text = strdup (rows), *rest = text, *line;

  /* One that "=" follows is of the look before. */
  while ((line = strsep (&rest, "\n")))
    if (line[0])
      {
        row = parse (line + (line[0] == '='));
        if (rest && rest[0] == '=')
          outside_add_before (o, row);
        else
          outside_add (o, row);
        json_object_put (row);
      }
  outside_judge (o);
  apps_asked_by (h, "s", &asked);
  have[0] = '\0';
  apps_facts (o, &asked, "memory", &inc, on_fact, NULL);
  json_object_put (apps_document (o, &asked));
  json_object_put (h);
  outside_free (o);
  free (text);
}

#define says(want) assert_string_equal (have, want)

#define COMMAND(c) "{'commands':[{'scenario':'s','command':'" c "'}]}"
#define STACK                                                                 \
  "{'row':'stack','id':1,'frames':['futex_wait_queue+0x1/0x2','do_futex+0x1/" \
  "0x2'],'end':'user'}\n"
#define TASK(pid, tgid, unit, state, more)                                    \
  "{'row':'task','pid':" pid ",'tgid':" tgid ",'comm':'shop','state':'" state \
  "','cgroup':'/system.slice/" unit "','unit':'" unit "'" more "}\n"
#define LISTEN(pid, port, waiting)                                            \
  "{'row':'socket','pid':" pid ",'proto':'tcp','state':'listen','port':" port \
  ",'waiting':" waiting ",'room':2}\n"
#define FUTEX ",'syscall':202,'stack':1"
#define WEB TASK ("7", "7", "web.service", "S", ",'syscall':232")             \
  LISTEN ("7", "80", "0")
#define SHOP                                                                  \
  STACK TASK ("20", "20", "shop.service", "S",                                \
              FUTEX ",'user_at':'/bin/shop+0x12'")                            \
      TASK ("21", "20", "shop.service", "S", FUTEX) WEB

static void
by_its_port (void **state)
{
  look (COMMAND ("ask-it 8080"), SHOP LISTEN ("20", "8080", "2"));
  says ("app.culprit=shop.service, shop (20), takes no connections: 2 of 2 "
        "wait, 2 of 2 threads wait in a futex, from "
        "/bin/shop+0x12\nstack.app=shop.service futex futex "
        "futex_wait_queue;do_futex\napp.amiss=futex\napp.tied=command\n");
  look (COMMAND ("curl -f http://127.0.0.1:8080/up"),
        SHOP LISTEN ("20", "8080", "0"));
  assert_non_null (strstr (have, "app.tied=port\n"));
  look ("{'addresses':[{'scenario':'s','address':'10.0.0.5:80'},"
        "{'scenario':'other','address':'10.0.0.5:8080'}]}",
        SHOP LISTEN ("20", "8080", "0"));
  says ("app.culprit=web.service, shop (7), waits in epoll_wait\n"
        "stack.app=web.service nothing epoll_wait \napp.amiss=nothing\napp.tied=port\n");
  /* Behind a forward the port is another's. */
  look ("{'addresses':[{'scenario':'s','address':'127.0.0.1:2222'}]}",
        SHOP LISTEN ("20", "8080", "0"));
  says ("");
  /* Where nobody listens that has to be known of all; and somebody may. */
#define ASKED_81 "{'addresses':[{'scenario':'s','address':'10.0.0.5:81'}]}"
#define ALONE "{'row':'task','pid':20,'tgid':20,'comm':'shop','state':'S'}\n"
  look (ASKED_81, ALONE "{'row':'sockets','told':0}\n");
  says ("app.missing=nothing listens on port 81\n");
  look (ASKED_81, SHOP WEB LISTEN ("20", "8080", "0")
                      "{'row':'sockets','told':1}\n");
  says ("app.missing=nothing listens on port 81\n");
  look (ASKED_81, ALONE);
  says ("");
  look (ASKED_81, SHOP WEB LISTEN ("20", "8080", "0"));
  says ("");
  look (ASKED_81, ALONE "{'row':'sockets'}\n" LISTEN ("0", "81", "0"));
  says ("");
  /* A number that nobody listens on is a number. */
  look (COMMAND ("sleep 81"), SHOP WEB);
  says ("");
}

static void
by_its_name (void **state)
{
  static const char *const names[]
      = { COMMAND ("systemctl is-active --quiet shop"),
          COMMAND ("systemctl show -p NRestarts shop.service | grep 0"),
          COMMAND ("/bin/sh -c \\\"service shop status\\\""),
          "{'behind':[{'scenario':'s','unit':'shop'}]}",
          "{'behind':[{'scenario':'s','unit':'shop.service','port':99}]}" };

  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    {
      look (names[i], SHOP);
      if (!strstr (have, "app.tied=named\n")
          || !strstr (have, "=shop.service, shop (20)"))
        fail_msg ("%s: %s", names[i], have);
    }
  look (COMMAND ("systemctl is-active sho"), SHOP);
  says ("");
  look ("{'behind':[{'scenario':'t','unit':'shop'}]}", SHOP);
  says ("");
  look (COMMAND ("pgrep -x shop"), TASK ("20", "20", "a.service", "T", ""));
  assert_non_null (strstr (have, "a.service, shop (20), is stopped"));
}

#define BOX "3b5c9e7f1a2d4c6e8f0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60"
#define BOXED(pid, state)                                                     \
  "{'row':'task','pid':" pid ",'tgid':" pid ",'comm':'shop','state':'" state  \
  "','cgroup':'/x','container':'" BOX "','runtime':'docker'}\n"

static void
containers (void **state)
{
  look (COMMAND ("docker exec 3b5c9e7f1a2d true"), WEB BOXED ("9", "S"));
  says ("app.culprit=docker-3b5c9e7f1a2d, shop (9)\n"
        "stack.app=docker-3b5c9e7f1a2d nothing  \napp.amiss=nothing\n"
        "app.tied=named\n");
  look (COMMAND ("ask-it 8080"),
        WEB BOXED ("9", "S") LISTEN ("9", "8080", "0")
        "{'row':'cgroup','cgroup':'/x','frozen':true,'used':1,'max':2}\n");
  says ("app.culprit=docker-3b5c9e7f1a2d, shop (9), is frozen with its control "
        "group\nstack.app=docker-3b5c9e7f1a2d frozen  \napp.amiss=frozen\napp.tied=command\n");
  /* Who only passes connections on is not who is asked. */
  look (COMMAND ("ask-it 8080"),
        "{'row':'task','pid':9,'tgid':9,'comm':'docker-proxy','state':'S',"
        "'unit':'docker.service'}\n" LISTEN ("9", "8080", "0") WEB);
  says ("");
}

#define QUOTA(periods, throttled)                                             \
  "{'row':'cgroup','cgroup':'/system.slice/shop.service','cpus':0.01,"        \
  "'periods':" periods ",'throttled':" throttled "}\n"
#define FROZEN                                                                \
  "{'row':'stack','id':1,'frames':['__schedule+0x1/0x2','schedule+0x1/0x2',"  \
  "'get_signal+0x1/0x2'],'end':'user'}\n"

static void
what_is_amiss (void **state)
{
  static const struct
  {
    const char *rows, *amiss, *text;
  } all[] = {
    { TASK ("20", "20", "shop.service", "Z", ""), "ended", "has ended" },
    { TASK ("20", "20", "shop.service", "T", "") "{'row':'cgroup','cgroup':"
      "'/system.slice/shop.service','oom_kills':2}\n",
      "stopped", "2 killed for lack of memory" },
    { TASK ("20", "20", "shop.service", "R", ",'user_at':'/bin/shop+0x9'")
      "{'row':'moved','what':'task','pid':20,'state':'R','apart_s':1.0,"
      "'ran_s':0.9}\n",
      "busy", "runs without a pause, at /bin/shop+0x9" },
    { TASK ("20", "20", "shop.service", "S", "")
      "{'row':'process','pid':20,'files':1024,'max_files':1024}\n",
      "files", "has 1024 of 1024 files open" },
    { "{'row':'stack','id':1,'frames':['schedule+0x1/0x2',"
      "'p9_client_rpc+0x1/0x2 [9pnet]'],'end':'user'}\n"
      TASK ("20", "20", "shop.service", "S", "")
      TASK ("22", "20", "shop.service", "D", ",'stack':1,'syscall':0")
      "{'row':'moved','what':'task','pid':22,'stuck':true}\n",
      "blocked", "shop (22), blocked in read: p9_client_rpc [9pnet]" },
    /* One that is read from the disk just then is not stuck. */
    { TASK ("20", "20", "shop.service", "D", "")
      "{'row':'moved','what':'task','pid':20,'stuck':false}\n",
      "nothing", "shop (20)" },
    { TASK ("20", "20", "shop.service", "S", "") LISTEN ("20", "81", "2"),
      "queue", "takes no connections: 2 of 2 wait" },
    { TASK ("20", "20", "shop.service", "S", "") "{'row':'cgroup','cgroup':"
      "'/system.slice/shop.service','used':2097152,'max':2097152}\n",
      "memory", "its group uses 2 of 2 MiB" },
    { TASK ("20", "20", "shop.service", "S", "") LISTEN ("20", "81", "2")
      QUOTA ("10", "4") "=" QUOTA ("30", "23"),
      "throttled", "is throttled to 1 % of a processor (in 19 of 20 periods)" },
    /* Numbers that nobody can have counted to. */
#define MOST "9223372036854775807"
    { TASK ("20", "20", "shop.service", "S", "") QUOTA ("0", "0") "="
      QUOTA (MOST, MOST), "throttled", "is throttled to 1 % of a processor" },
    { TASK ("20", "20", "shop.service", "S", "") QUOTA ("-" MOST, "-" MOST) "="
      QUOTA (MOST, MOST), "nothing", "shop (20)" },
    /* Now and then is what a bound is for. */
    { TASK ("20", "20", "shop.service", "S", "") QUOTA ("10", "4") "="
      QUOTA ("30", "9"), "nothing", "shop (20)" },
    { FROZEN TASK ("20", "20", "shop.service", "S", ",'stack':1"),
      "frozen", "is frozen with its control group" },
    { TASK ("20", "20", "shop.service", "S", "")
      "{'row':'file','pid':20,'path':'/data/log/a'}\n"
      "{'row':'fs','place':'/','full':true}\n"
      "{'row':'fs','place':'/data','full':true}\n"
      "{'row':'fs','place':'/data','full':false}\n"
      "{'row':'fs','place':'/dat','full':false}\n",
      "no-room", "writes to /data/log/a, and /data has no room left" },
    { TASK ("20", "20", "shop.service", "S", "")
      "{'row':'file','pid':20,'path':'/data/log/a'}\n"
      "{'row':'fs','place':'/','full':true}\n"
      "{'row':'fs','place':'/data','full':false}\n",
      "nothing", "shop (20)" },
  };
  char want[80];

  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
    {
      look ("{'behind':[{'scenario':'s','unit':'shop'}]}", all[i].rows);
      snprintf (want, sizeof want, "app.amiss=%s\n", all[i].amiss);
      if (!strstr (have, want) || !strstr (have, all[i].text))
        fail_msg ("%s, %s: %s", all[i].amiss, all[i].text, have);
    }
}

#define CLOCK "{'row':'system','clock_s':1000.0}\n"
#define LOG(us, text) "{'row':'dmesg','us':" us ",'text':'" text "'}\n"
#define KILL(group, comm, pid)                                                \
  "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=x,"            \
  "mems_allowed=0,oom_memcg=/a,task_memcg=" group ",task=" comm ",pid=" pid   \
  ",uid=0"
#define SEGFAULT                                                              \
  "shop[20]: segfault at 0 ip 0000557a sp 00007ffc error 4 in libc.so.6[7f+1]"
#define UNIT(pid, code, status)                                               \
  "{'row':'unit','unit':'shop.service','result':'signal','comm':'labd',"      \
  "'pid':" pid ",'code':" code ",'status':" status ",'us':900000000}\n"
#define POD                                                                   \
  "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod"           \
  "0123456701234567012345670123456701.slice/cri-containerd-" BOX ".scope"

/* Of whom only a line is left. */
static void
who_has_ended (void **state)
{
  static const struct
  {
    const char *rows, *text, *why;
  } all[] = {
    { CLOCK WEB LOG ("900000000", KILL ("/system.slice/shop.service", "shop",
                                        "20")),
      "shop.service, shop (20), was killed: its control group had no memory "
      "left", "killed" },
    { LOG ("900000000", KILL ("/system.slice/docker-" BOX ".scope", "a,pid=1",
                              "20")),
      "docker-3b5c9e7f1a2d, a,pid=1 (20), was killed", "killed" },
    { LOG ("900000000", KILL (POD, "java", "20")),
      "containerd-3b5c9e7f1a2d, java (20), was killed", "killed" },
    /* Before 5.0. */
    { LOG ("900000000", "Task in /docker/" BOX " killed as a result of limit "
           "of /docker/" BOX)
      LOG ("900000001", "Memory cgroup out of memory: Kill process 20 (a (b)) "
           "score 1000 or sacrifice child"),
      "docker-3b5c9e7f1a2d, a (b) (20), was killed", "killed" },
    { WEB LOG ("900000000", SEGFAULT) UNIT ("20", "2", "11"),
      "shop.service, shop (20), crashed: segfault in libc.so.6", "crashed" },
    /* Of a unit whose others live. */
    { TASK ("30", "30", "till.service", "S", "") LOG ("900000000", SEGFAULT),
      "till.service, shop (20), crashed", "crashed" },
    /* Just lately; one that nobody has taken note of; another one has its
     * number by now. */
    { CLOCK LOG ("400000000", SEGFAULT), "shop (20), crashed", "crashed" },
    { CLOCK "{'row':'unit','unit':'a.service','result':'timeout'}\n",
      "a.service, has ended (timeout)", "failed" },
    { TASK ("20", "20", "shop.service", "Z", "") LOG ("900000000", SEGFAULT),
      "shop.service, shop (20), crashed", "crashed" },
    { TASK ("20", "20", "shop.service", "X", "") LOG ("900000000", SEGFAULT),
      "shop.service, shop (20), crashed", "crashed" },
    { TASK ("20", "20", "till.service", "S", "")
      LOG ("900000000", "till[20]: segfault at 0 ip 1 sp 2 error 4 in a[1+2]"),
      "till (20), crashed", "crashed" },
    { LOG ("1", "traps: shop[20] trap divide error ip:4f sp:7f error:0 in "
           "labd[400000+1]"),
      "shop (20), crashed: trap divide error in labd", "crashed" },
    { LOG ("1", "dhcpd[77]: unhandled exception: DABT, ESR 0x1, in dhcpd[1+2]"),
      "dhcpd (77), crashed: unhandled exception in dhcpd", "crashed" },
    /* Names that look like what stands behind them. */
    { LOG ("1", "db[5]: trap x[77]: segfault at 0 ip 1 sp 2 error 4 in a[1+2]"),
      "db[5]: trap x (77), crashed: segfault in a", "crashed" },
    { LOG ("1", "traps: db[5] trap x[77] general protection ip:1 sp:2 error:0 "
           "in a[7]: segfault at[1+2]"),
      "db[5] trap x (77), crashed: general protection in a", "crashed" },
    { LOG ("1", KILL ("/x.slice/y,task=db,pid=5", "shop", "20")),
      "app.ended=shop (20), was killed", "killed" },
    { LOG ("1", KILL ("/x,task_memcg=/system.slice/db.service", "shop", "20")),
      "app.ended=shop (20), was killed", "killed" },
    { UNIT ("21", "2", "11"),
      "shop.service, labd (21), has ended by signal 11 (SEGV)", "failed" },
    { UNIT ("21", "1", "3"),
      "shop.service, labd (21), has ended with exit code 3", "failed" },
    { "{'row':'unit','unit':'a.service','result':'start-limit-hit','us':1,"
      "'restarts':5}\n",
      "a.service, has ended (start-limit-hit), was started again 5 times",
      "failed" },
    /* The latest; what every system has only where there is no other. */
    { UNIT ("21", "1", "3") "{'row':'unit','unit':'systemd-x.service','us':"
      "990000000,'pid':9}\n" LOG ("1", SEGFAULT), "shop.service, labd (21)",
      "failed" },
  };
  char want[80];

  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
    {
      look ("{}", all[i].rows);
      snprintf (want, sizeof want, "app.ended_why=%s\napp.ended_tied=only\n",
                all[i].why);
      if (!strstr (have, want) || !strstr (have, "app.ended=")
          || !strstr (have, all[i].text))
        fail_msg ("%s: %s", all[i].text, have);
    }
}

static void
who_has_not (void **state)
{
  static const char *const all[] = {
    /* Long ago; lives; is the whole guest's; is no such line. */
    CLOCK LOG ("399000000", SEGFAULT),
    CLOCK "{'row':'unit','unit':'shop.service','us':399000000}\n",
    TASK ("20", "20", "shop.service", "S", "") LOG ("900000000", SEGFAULT),
    LOG ("1", "oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),global_oom,"
         "task_memcg=/a,task=b,pid=9,uid=0"),
    "{'row':'dmesg','facility':1,'us':1,'text':'" SEGFAULT "'}\n",
    LOG ("1", "shop[20]: is well") LOG ("2", "[20]: segfault at 0")
    LOG ("3", "a[b[20: segfault at ") LOG ("4", "Task in ")
    LOG ("5", "Memory cgroup out of memory: Killed process 9 (a)")
    LOG ("6", "oom-kill:constraint=CONSTRAINT_MEMCG,task_memcg=/a,task=b")
  };

  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
    {
      look ("{}", all[i]);
      says ("");
    }
  /* Of long ago, and asked for by its name. */
  look (COMMAND ("systemctl is-active shop"),
        CLOCK "{'row':'unit','unit':'shop.service','us':1}\n");
  says ("app.ended=shop.service, has ended\napp.ended_why=failed\n"
        "app.ended_tied=named\n");
  look (COMMAND ("systemctl is-active shop"),
        CLOCK LOG ("1", KILL ("/system.slice/shop.service", "shop", "20")));
  assert_non_null (strstr (have, "app.ended=shop.service, shop (20), was k"));
  assert_non_null (strstr (have, "app.ended_tied=named"));
  /* Who is asked for is there: another one's end is his matter. */
  look (COMMAND ("ask-it 80"), WEB UNIT ("21", "1", "3"));
  assert_null (strstr (have, "app.ended"));
  /* Its own worker's is not. */
  look (COMMAND ("ask-it 80"),
        WEB LOG ("1", KILL ("/system.slice/web.service", "w", "8")));
  assert_non_null (strstr (have, "app.ended=web.service, w (8), was killed"));
}

/* A wrong name is worse than none. */
static void
who_is_not_meant (void **state)
{
  /* Nothing leads to it, and nobody is stuck. */
  look (COMMAND ("uptime"), SHOP WEB);
  says ("");
  /* One is; two are nobody; what every system has is never meant. */
  look (COMMAND ("uptime"), WEB TASK ("20", "20", "shop.service", "T", ""));
  assert_non_null (strstr (have, "app.tied=only\n"));
  look (COMMAND ("uptime"), TASK ("20", "20", "shop.service", "T", "")
                                TASK ("30", "30", "till.service", "T", ""));
  says ("");
  look (COMMAND ("uptime"), TASK ("20", "20", "systemd-x.service", "T", ""));
  says ("");
  /* The one that is meant is well: that another one is stuck is its matter. */
  look (COMMAND ("ask-it 80"), WEB TASK ("20", "20", "a.service", "T", ""));
  assert_non_null (strstr (have, "=web.service, "));
  /* Two that have that port, in two networks. */
  look (COMMAND ("ask-it 80"),
        WEB TASK ("20", "20", "a.service", "S", "") LISTEN ("20", "80", "0"));
  says ("");
  look ("{}", "{'row':'task'}\n{'row':'socket'}\n{'row':'cgroup'}\n"
              "{'row':'moved','what':'task'}\n{'row':'process'}\n");
  says ("");
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (by_its_port),  cmocka_unit_test (by_its_name),
    cmocka_unit_test (containers),   cmocka_unit_test (what_is_amiss),
    cmocka_unit_test (who_is_not_meant), cmocka_unit_test (who_has_ended),
    cmocka_unit_test (who_has_not),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
