/* SPDX-License-Identifier: Apache-2.0
 *
 * The XML scanner: what it reads, and all that it refuses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "guests/xml.h"

#include <string.h>

/* "(name attr...)": the events as a line. */
static int
read_all (const char *text, struct buf *out, struct error *err)
{
  struct xml x;
  char value[32];
  int r = xml_init (&x, text, strlen (text), err);

  if (r < 0)
    return r;
  while ((r = xml_next (&x, err)) > 0)
    switch (r)
      {
      case XML_OPEN:
        buf_printf (out, "(%.*s", (int) x.path[x.depth - 1].len,
                    x.path[x.depth - 1].p);
        if (xml_attr (&x, "a", value, sizeof value))
          buf_printf (out, " a=%s", value);
        break;
      case XML_TEXT:
        xml_text (&x, value, sizeof value);
        buf_printf (out, " '%s'", value);
        break;
      case XML_CLOSE:
        buf_putc (out, ')');
        break;
      }
  return r;
}

static void
reads_what_a_hypervisor_writes (void **state)
{
  static const struct
  {
    const char *text, *events;
  } cases[] = {
    { "<a/>", "(a)" },
    { "<?xml version='1.0'?>\n<!-- x --> <a><b a='1'/> t </a>\n",
      "(a(b a=1) 't')" },
    { "<a a=\"&lt;&amp;&gt;&quot;&apos;&#65;&#x42;\"/>", "(a a=<&>\"'AB)" },
    { "<a>&#xe9;&nope;&#0;&#xd800;.</a>", "(a '\xc3\xa9&nope;.')" },
    { "<a><![CDATA[<b>&lt;]]></a>", "(a '<b>&lt;')" },
    { "<x:y a = '1'   b='2' ></x:y >", "(x:y a=1)" },
    /* Cut at a whole character. */
    { "<a a='123456789012345678901234567890\xc3\xa9z'/>",
      "(a a=123456789012345678901234567890)" },
  };

  for (unsigned i = 0; i < ARRAY_LEN (cases); i++)
    {
      struct buf out CLEANUP_BUF = BUF_INIT (4096);
      struct error err = ERROR_INIT;

      if (read_all (cases[i].text, &out, &err) < 0)
        fail_msg ("%s: %s", cases[i].text, error_text (&err));
      assert_string_equal (buf_str (&out), cases[i].events);
    }
}

static void
refuses_everything_else (void **state)
{
  static const char *const cases[] = {
    "",
    "  ",
    "x",
    "<a>",
    "<a></b>",
    "</a>",
    "<a/><b/>",
    "<a/>x",
    "<a b/>",
    "<a b=c/>",
    "<a b='c/>",
    "<a b='1' b='2'/>",
    "<a b='1'c='2'/>",
    "<a b='<'/>",
    "<1/>",
    "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
    "<a><!-- </a>",
    "<a><![CDATA[</a>",
    "<a",
    "<a ",
    "<",
    "<a/",
    "<?x",
  };
  struct buf deep CLEANUP_BUF = BUF_INIT (4096);
  struct buf out CLEANUP_BUF = BUF_INIT (4096);
  struct error err = ERROR_INIT;

  for (unsigned i = 0; i < ARRAY_LEN (cases); i++)
    if (read_all (cases[i], &out, NULL) >= 0)
      fail_msg ("taken: %s", cases[i]);
  for (unsigned i = 0; i <= XML_MAX_DEPTH; i++)
    buf_puts (&deep, "<a>");
  assert_int_equal (read_all (buf_str (&deep), &out, &err), -EINVAL);
  assert_non_null (strstr (err.msg, "nested too deep"));
  assert_int_equal (read_all ("<a>\n\n</b>", &out, &err), -EINVAL);
  assert_non_null (strstr (err.msg, "line 3"));
}

static void
knows_where_it_is (void **state)
{
  static const char text[] = "<d><e><f g='h'/></e></d>";
  struct xml x;

  assert_int_equal (xml_init (&x, text, strlen (text), NULL), 0);
  assert_int_equal (xml_next (&x, NULL), XML_OPEN);
  assert_true (xml_is (&x, "d"));
  assert_false (xml_is (&x, "d/e"));
  assert_false (xml_is (&x, ""));
  assert_int_equal (xml_next (&x, NULL), XML_OPEN);
  assert_int_equal (xml_next (&x, NULL), XML_OPEN);
  assert_true (xml_is (&x, "d/e/f"));
  assert_true (xml_is (&x, "d/*/f"));
  assert_false (xml_is (&x, "d/e"));
  assert_false (xml_is (&x, "d/e/f/g"));
  assert_false (xml_is (&x, "e/f"));
  assert_true (xml_attr_is (&x, "g", "h"));
  assert_int_equal (xml_next (&x, NULL), XML_CLOSE);
  assert_true (xml_name_is (&x, "f"));
  assert_false (xml_attr_is (&x, "g", "h"));
  assert_int_equal (xml_next (&x, NULL), XML_CLOSE);
  assert_true (xml_is (&x, "d/e"));
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (reads_what_a_hypervisor_writes),
    cmocka_unit_test (refuses_everything_else),
    cmocka_unit_test (knows_where_it_is),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
