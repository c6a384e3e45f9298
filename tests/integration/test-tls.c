/* SPDX-License-Identifier: Apache-2.0
 *
 * The real hangdog-writer against receivers over TLS: what is right arrives.
 * No secret is seen in what it logs, in its arguments, or in what it stores.
 */
#include "tls-bed.h"

static const char *secret;
static char secret_at[PATH_MAX];

static int
look_for_secret (const char *path, const struct stat *st, int type,
                 struct FTW *ftw)
{
  CLEANUP_FREE char *text = NULL;
  CLEANUP_CLOSE int fd = -1;
  ssize_t n;

  if (type != FTW_F || st->st_size == 0)
    return 0;
  fd = open (path, O_RDONLY | O_CLOEXEC);
  text = malloc ((size_t) st->st_size);
  n = read (fd, text, (size_t) st->st_size);
  if (n > 0 && memmem (text, (size_t) n, secret, strlen (secret)))
    snprintf (secret_at, sizeof secret_at, "%s", path);
  return 0;
}

/* Neither in what it logs, nor in its arguments, nor in what it stores. */
static void
expect_secret_kept (struct world *w, const char *word)
{
  char path[64], args[8192];
  CLEANUP_CLOSE int fd = -1;
  ssize_t n;

  read_log (w, 0);
  assert_null (strstr (w->text, word));
  snprintf (path, sizeof path, "/proc/%d/cmdline", (int) w->writer);
  fd = open (path, O_RDONLY | O_CLOEXEC);
  n = read (fd, args, sizeof args);
  assert_true (n > 0);
  assert_null (memmem (args, (size_t) n, word, strlen (word)));
  secret = word;
  secret_at[0] = '\0';
  nftw (w->state, look_for_secret, 16, FTW_PHYS);
  assert_string_equal (secret_at, "");
}

static void
test_client_and_token (void **state)
{
  struct world *w = *state;
  CLEANUP_FRAME struct frame shipped = { 0 };
  char cert[200], ca[200], sink[1024], digest[65];
  struct trouble t = { .client_ca = "ours" };
  struct peer_plan plan;
  struct peer_saw saw;

  plan_of (w, &t, &plan, cert, ca);
  tlspeer_plan (w->peer, &plan);
  start_writer (w, NULL);
  sink_of (w, "https", "localhost", CA TOKEN_FILE DEVICE, sink);
  reload (w, sink);
  pack (w, INC ("2"), digest);
  await_frame (w, 0, "shipped", INC ("2"), &shipped);
  tlspeer_saw (w->peer, &saw);
  assert_string_equal (saw.client, "device");
  assert_string_equal (saw.digest, digest);
  assert_non_null (strstr (saw.head, "\r\nAuthorization: Bearer " TOKEN "\r"));
  expect_secret_kept (w, TOKEN);
  expect_secret_kept (w, "PRIVATE KEY");
}

/* The reference controller speaks TLS as well. */
static void
test_controller (void **state)
{
#ifdef WITH_CONTROLLER
  struct world *w = *state;
  CLEANUP_FRAME struct frame shipped = { 0 };
  char path[PATH_MAX], data[100], cert[100], key[100], line[200] = "";
  char sink[1024], digest[65], file[300];
  size_t len = 0;
  unsigned port;
  int out[2];
  pid_t pid;

  built_path (path, "hangdog-controller");
  snprintf (data, sizeof data, "%s/in", w->dir);
  snprintf (cert, sizeof cert, "%s/good.pem", w->dir);
  snprintf (key, sizeof key, "%s/good.key", w->dir);
  snprintf (file, sizeof file, "%s/token", w->dir);
  assert_int_equal (chmod (cert, 0600), 0);
  assert_int_equal (pipe2 (out, O_CLOEXEC), 0);
  if ((pid = fork ()) == 0)
    {
      dup2 (out[1], 1);
      dup2 (open ("/dev/null", O_WRONLY), 2);
      execl (path, path, "--data", data, "--tls-cert", cert, "--tls-key", key,
             "--token-file", file, (char *) NULL);
      _exit (127);
    }
  close (out[1]);
  while (len < sizeof line - 1 && !strchr (line, '\n'))
    {
      ssize_t n = read (out[0], line + len, sizeof line - 1 - len);

      if (n <= 0)
        break;
      line[len += (size_t) n] = '\0';
    }
  close (out[0]);
  if (sscanf (line, "listening https://127.0.0.1:%u", &port) == 1)
    {
      start_writer (w, NULL);
      snprintf (sink, sizeof sink,
                "{\"url\":\"https://localhost:%u/bundles\",\"ca-file\":"
                "\"%s/ours.pem\",\"token-file\":\"%s\"}",
                port, w->dir, file);
      reload (w, sink);
      pack (w, INC ("8"), digest);
      await_frame (w, 0, "shipped", INC ("8"), &shipped);
    }
  kill (pid, SIGTERM);
  waitpid (pid, NULL, 0);
  assert_string_not_equal (line, "");
  snprintf (file, sizeof file, "%s/bundles/%s.tar.zst", data, INC ("8"));
  assert_int_equal (access (file, R_OK), 0);
#else
  skip ();
#endif
}

/* An answer that never ends has told its status. */
static void
test_endless (void **state)
{
  struct world *w = *state;
  CLEANUP_FRAME struct frame a = { 0 }, b = { 0 };
  char cert[200], ca[200], sink[1024], digest[65];
  struct trouble t = { .then = PEER_HEADERS };
  struct peer_plan plan;
  uint64_t began = clock_ms ();

  w->stall = "2s";
  plan_of (w, &t, &plan, cert, ca);
  tlspeer_plan (w->peer, &plan);
  start_writer (w, NULL);
  sink_of (w, "https", "localhost", CA, sink);
  reload (w, sink);
  pack (w, INC ("3"), digest);
  await_frame (w, 0, "shipped", INC ("3"), &a);
  plan.then = PEER_BODY;
  plan.reply = "HTTP/1.1 201 Created\r\n\r\n";
  tlspeer_plan (w->peer, &plan);
  pack (w, INC ("4"), digest);
  await_frame (w, 0, "shipped", INC ("4"), &b);
  assert_true (clock_ms () - began < WAIT_MS);
}

/* The proxy of the environment, then the configuration's, then none. */
static void
test_proxy (void **state)
{
  struct world *w = *state;
  CLEANUP_FRAME struct frame a = { 0 }, b = { 0 }, c = { 0 };
  struct tlsproxy *x = tlsproxy_new (NULL), *y = tlsproxy_new (NULL);
  struct tlsproxy *z = tlsproxy_new ("HTTP/1.1 407 No\r\n"
                                     "Proxy-Authenticate: Basic\r\n"
                                     "Content-Length: 0\r\n\r\n");
  char cert[200], ca[200], sink[1024], line[1024], digest[65], more[200];
  char env[100], seen[8192];
  struct peer_plan plan;
  struct peer_saw saw;

  plan_of (w, NULL, &plan, cert, ca);
  tlspeer_plan (w->peer, &plan);
  snprintf (env, sizeof env, "http://box:%s@127.0.0.1:%u", PROXY_PASSWORD,
            tlsproxy_port (x));
  start_writer (w, env);
  sink_of (w, "https", "localhost", CA TOKEN_FILE, sink);
  reload (w, sink);
  pack (w, INC ("5"), digest);
  await_frame (w, 0, "shipped", INC ("5"), &a);
  /* The document, and the bundle. */
  assert_int_equal (tlsproxy_saw (x, seen, sizeof seen), 2);
  assert_non_null (strstr (seen, "CONNECT localhost:"));
  assert_non_null (strstr (seen, "Proxy-Authorization: Basic "));
  /* The token goes to the controller, and to it alone. */
  assert_null (strstr (seen, TOKEN));
  tlspeer_saw (w->peer, &saw);
  assert_non_null (strstr (saw.head, TOKEN));
  assert_null (strcasestr (saw.head, "Proxy-Authorization"));

  snprintf (more, sizeof more, CA ",\"proxy\":\"http://127.0.0.1:%u\"",
            tlsproxy_port (z));
  sink_of (w, "https", "localhost", more, sink);
  reload (w, sink);
  pack (w, INC ("6"), digest);
  await_line (w, "the proxy answers 407", "sink.proxy", line);
  expect_place (w, INC ("6"), "ready");
  snprintf (more, sizeof more, CA ",\"proxy\":\"http://127.0.0.1:%u\"",
            tlsproxy_port (y));
  sink_of (w, "https", "localhost", more, sink);
  reload (w, sink);
  await_frame (w, 0, "shipped", INC ("6"), &b);
  assert_int_equal (tlsproxy_saw (y, seen, sizeof seen), 2);

  sink_of (w, "https", "localhost", CA ",\"proxy\":\"none\"", sink);
  reload (w, sink);
  pack (w, INC ("7"), digest);
  await_frame (w, 0, "shipped", INC ("7"), &c);
  assert_int_equal (tlsproxy_saw (x, seen, sizeof seen), 2);
  assert_int_equal (tlsproxy_saw (y, seen, sizeof seen), 2);
  expect_secret_kept (w, PROXY_PASSWORD);
  tlsproxy_free (x);
  tlsproxy_free (y);
  tlsproxy_free (z);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    T (test_client_and_token),
    T (test_controller),
    T (test_endless),
    T (test_proxy),
  };

#ifndef WITH_CURL
  printf ("built without curl\n");
  return 77;
#endif
  return cmocka_run_group_tests (tests, NULL, NULL);
}
