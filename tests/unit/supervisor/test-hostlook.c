/* SPDX-License-Identifier: Apache-2.0
 *
 * A look at the host that this runs on: what the table of facts has, within
 * its bounds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "diag/facts.h"
#include "supervisor/incidents/hostlook.h"

#include <string.h>
#include <unistd.h>

static void
all_are_known (void **state)
{
  struct fact all[HOSTLOOK_FACTS];
  unsigned n = hostlook (all), psi = 0;

  assert_in_range (n, 1, HOSTLOOK_FACTS);
  for (unsigned i = 0; i < n; i++)
    {
      const struct fact_kind *k = fact_kind_find (all[i].name);

      assert_non_null (k);
      assert_int_equal (k->type, all[i].type);
      assert_non_null (fact_source_find (all[i].source));
      assert_true (all[i].d >= 0 && all[i].d <= 100);
      psi += strncmp (all[i].name, "host.psi.", 9) == 0;
    }
  assert_string_equal (all[n - 1].name, "host.memory.available");
  assert_true (all[n - 1].d > 0 && all[n - 1].d < 1);
  if (access ("/proc/pressure/memory", R_OK) == 0)
    assert_int_equal (psi, 3);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (all_are_known),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
