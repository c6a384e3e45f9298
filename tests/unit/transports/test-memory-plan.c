/* SPDX-License-Identifier: Apache-2.0
 *
 * Where QEMU has a guest's memory by its options.
 */
#include "tests/unit/transports/memory-bed.h"

struct piece
{
  uint64_t gpa, len, at;
  unsigned block;
};

static void
expect (const char *line, const char *config, const struct piece *want,
        unsigned n)
{
  struct error err = ERROR_INIT;
  struct memory_plan p;

  if (plan (line, config, &p, &err) < 0)
    fail_msg ("%s: %s", line, error_text (&err));
  if (p.npieces != n)
    fail_msg ("%s: %u pieces", line, p.npieces);
  for (unsigned i = 0; i < n; i++)
    if (p.pieces[i].gpa != want[i].gpa || p.pieces[i].len != want[i].len
        || p.pieces[i].at != want[i].at || p.pieces[i].block != want[i].block)
      fail_msg ("%s: piece %u is %#llx+%#llx of %u at %#llx", line, i,
                (unsigned long long) p.pieces[i].gpa,
                (unsigned long long) p.pieces[i].len, p.pieces[i].block,
                (unsigned long long) p.pieces[i].at);
}

#define EXPECT(line, config, ...)                                             \
  expect (line, config, (const struct piece[]){ __VA_ARGS__ },                \
          sizeof ((const struct piece[]){ __VA_ARGS__ })                      \
              / sizeof (struct piece))

/* ---- machines ---- */

static void
splits_pcs_as_qemu_does (void **state)
{
  EXPECT (X86 "-m 256", NULL, { 0, 256 * MiB, 0, 0 });
  EXPECT (X86 "-m size=262144k", NULL, { 0, 256 * MiB, 0, 0 });
  EXPECT (X86 "-machine q35 -m 2815", NULL, { 0, 2815 * MiB, 0, 0 });
  EXPECT (X86 "-machine q35 -m 2816", NULL, { 0, 2 * GiB, 0, 0 },
          { 4 * GiB, 768 * MiB, 2 * GiB, 0 });
  EXPECT (X86 "-M pc-q35-7.2,accel=kvm -m 8G,slots=4,maxmem=64G", NULL,
          { 0, 2 * GiB, 0, 0 }, { 4 * GiB, 6 * GiB, 2 * GiB, 0 });
  EXPECT (X86 "-m 3583", NULL, { 0, 3583 * MiB, 0, 0 });
  EXPECT (X86 "-machine pc-i440fx-9.0 -m 3584", NULL, { 0, 3 * GiB, 0, 0 },
          { 4 * GiB, 512 * MiB, 3 * GiB, 0 });
  EXPECT (X86 "-machine pc,max-ram-below-4g=1G -m 4G", NULL,
          { 0, 1 * GiB, 0, 0 }, { 4 * GiB, 3 * GiB, 1 * GiB, 0 });
  EXPECT (X86 "-machine q35,max-ram-below-4g=1G -m 4G", NULL,
          { 0, 1 * GiB, 0, 0 }, { 4 * GiB, 3 * GiB, 1 * GiB, 0 });
  EXPECT (X86 "-M microvm -m 4G", NULL, { 0, 3 * GiB, 0, 0 },
          { 4 * GiB, 1 * GiB, 3 * GiB, 0 });
}

static void
knows_arms_board (void **state)
{
  EXPECT (ARM "-machine virt-9.0,gic-version=3 -m 8G", NULL,
          { 1 * GiB, 8 * GiB, 0, 0 });
}

static void
reads_what_eve_writes (void **state)
{
  EXPECT (X86 "-nodefaults -readconfig /run/x.cfg",
          "[machine]\n  type = \"pc-q35-3.1\"\n  dump-guest-core = \"off\"\n"
          "[memory]\n  size = \"4096\"\n[smp-opts]\n  cpus = \"2\"\n",
          { 0, 2 * GiB, 0, 0 }, { 4 * GiB, 2 * GiB, 2 * GiB, 0 });
  EXPECT (X86 "-readconfig /run/x.cfg",
          "[machine]\n type = \"q35\"\n memory-backend = \"mem\"\n"
          "[memory]\n size = \"1024\"\n"
          "[object \"mem\"]\n qom-type = \"memory-backend-memfd\"\n"
          " size = \"1024M\"\n share = \"on\"\n",
          { 0, 1 * GiB, 0, 0 });
}

static void
reads_what_libvirt_writes (void **state)
{
  struct memory_plan p;

  EXPECT (X86 "-machine pc-q35-7.2,usb=off,memory-backend=pc.ram -m "
              "size=4194304k -object {\"qom-type\":\"memory-backend-ram\","
              "\"id\":\"pc.ram\",\"size\":4294967296}",
          NULL, { 0, 2 * GiB, 0, 0 }, { 4 * GiB, 2 * GiB, 2 * GiB, 0 });
  /* Two NUMA nodes, written in the other order, and a DIMM. */
  EXPECT (X86
          "-machine pc-q35-7.2 -m size=2097152k,slots=16,maxmem=8388608k "
          "-object {\"qom-type\":\"memory-backend-memfd\",\"id\":\"ram-node1\","
          "\"share\":true,\"size\":1073741824} "
          "-object {\"qom-type\":\"memory-backend-memfd\",\"id\":\"ram-node0\","
          "\"share\":true,\"size\":3221225472} "
          "-numa node,nodeid=1,cpus=1,memdev=ram-node1 "
          "-numa node,nodeid=0,cpus=0,memdev=ram-node0 "
          "-object {\"qom-type\":\"memory-backend-ram\",\"id\":\"memdimm0\","
          "\"size\":536870912} "
          "-device {\"driver\":\"pc-dimm\",\"node\":0,\"memdev\":\"memdimm0\","
          "\"id\":\"dimm0\",\"slot\":0}",
          NULL, { 0, 2 * GiB, 0, 0 }, { 4 * GiB, 1 * GiB, 2 * GiB, 0 },
          { 5 * GiB, 1 * GiB, 0, 1 }, { 6 * GiB, 512 * MiB, 0, 2 });
  assert_int_equal (
      plan (X86 "-M q35,memory-backend=m -m 1G -object "
                "memory-backend-file,id=m,size=1G,mem-path=/dev/hugepages/x,"
                "share=on",
            NULL, &p, NULL),
      0);
  assert_true (p.blocks[0].named && p.blocks[0].shared);
  assert_string_equal (p.blocks[0].path, "/dev/hugepages/x");
  assert_int_equal (plan (X86 "-m 1G -mem-path /dev/hugepages", NULL, &p, NULL),
                    0);
  assert_true (p.blocks[0].named && !p.blocks[0].shared);
}

static void
refuses_in_one_sentence (void **state)
{
  static const struct
  {
    const char *line, *says;
  } cases[] = {
    { X86 "-m 1G -object sev-guest,id=s -machine "
          "q35,confidential-guest-support=s",
      "AMD SEV:" },
    { X86 "-m 1G -machine q35 -object "
          "{\"qom-type\":\"tdx-guest\",\"id\":\"t\"}",
      "Intel TDX:" },
    { X86 "-m 1G -machine q35,confidential-guest-support=x", "encrypted" },
    { ARM "-m 1G -machine sbsa-ref", "sbsa-ref" },
    { ARM "-m 1G", "type" },
    { X86 "-readconfig /x/y", "configuration file" },
    { X86 "-M q35,memory-backend=no -m 1G", "not described" },
    { X86 "-m lots", "how much" },
  };
  struct memory_plan p;

  for (unsigned i = 0; i < ARRAY_LEN (cases); i++)
    {
      struct error err = ERROR_INIT;

      assert_true (plan (cases[i].line, NULL, &p, &err) < 0);
      if (!strstr (error_text (&err), cases[i].says))
        fail_msg ("%s: %s", cases[i].line, error_text (&err));
    }
  assert_int_equal (plan (X86 "-m 1G -incoming defer", NULL, &p, NULL), 0);
  assert_non_null (strstr (p.note, "post-copy"));
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (splits_pcs_as_qemu_does),
    cmocka_unit_test (knows_arms_board),
    cmocka_unit_test (reads_what_eve_writes),
    cmocka_unit_test (reads_what_libvirt_writes),
    cmocka_unit_test (refuses_in_one_sentence),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
