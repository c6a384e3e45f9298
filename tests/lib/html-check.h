/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether a page of ours is whole: each element is closed in its turn, each
 * attribute is quoted and harmless, each id is there once, each link leads to
 * an id, to a file beside the page or to another incident's page, and nothing
 * is fetched or runs.
 */
#ifndef HANGDOG_TESTS_LIB_HTML_CHECK_H
#define HANGDOG_TESTS_LIB_HTML_CHECK_H

#include <stddef.h>

/* NULL: it is; else what is wrong, and where it begins (until the next
 * call). */
const char *html_check (const char *text, size_t len);

#endif
