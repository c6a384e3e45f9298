/* SPDX-License-Identifier: Apache-2.0
 *
 * SANITIZED: built with AddressSanitizer or ThreadSanitizer, whose shadow
 * memory no limit of address space leaves room for.  gcc and clang say it
 * differently.
 */
#ifndef HANGDOG_BASE_SANITIZE_H
#define HANGDOG_BASE_SANITIZE_H

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#endif
