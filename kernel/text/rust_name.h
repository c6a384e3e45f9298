/* SPDX-License-Identifier: Apache-2.0
 *
 * Names of Rust's functions as people write them: kernels print them mangled
 * ("_RNvMs_NtCs1_3foo3barNtB4_3Baz4call" is "<foo::bar::Baz>::call").
 */
#ifndef HANGDOG_KERNEL_TEXT_RUST_NAME_H
#define HANGDOG_KERNEL_TEXT_RUST_NAME_H

#include <stdbool.h>
#include <stddef.h>

/* Of the v0 mangling: paths, implementations, plain types; generic arguments
 * are left out.  False (dst is untouched) for everything else. */
bool rust_name (const char *s, size_t len, char *dst, size_t n);

#endif
