/* SPDX-License-Identifier: Apache-2.0
 *
 * Only in builds with --enable-coverage: the processes end by _exit(), which
 * would leave no counts behind.  The linker puts this in its place.
 */
#include <gcov.h>
#include <unistd.h>

void __wrap__exit (int code) __attribute__ ((noreturn));
void __real__exit (int code) __attribute__ ((noreturn));

void
__wrap__exit (int code)
{
  __gcov_dump ();
  __real__exit (code);
}
