#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Which libraries each programme is linked with: the command line starts fast
# and carries no client of libvirt; what has consoles speaks to no network of
# its own; what reads hostile bytes has next to nothing that could be misused.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/lib/functions.sh"
requires readelf

# What the programme itself asks for; what libvirt drags in is libvirt's.
needs ()
{
  LC_ALL=C readelf -d "$HANGDOG_BUILD/$1" \
    | sed -n 's/.*(NEEDED).*\[\(lib[^]]*\)\.so.*\].*/\1/p'
}

# allowed PROGRAMME LIBRARY-PATTERN...: that and the C library, nothing else.
allowed ()
{
  prog=$1
  shift
  test -e "$HANGDOG_BUILD/$prog" || { echo "$prog is not built"; return 0; }
  for lib in $(needs "$prog"); do
    case $lib in
    libc|libpthread|libdl|libm|libgcc_s|libjson-c) continue ;;
    # Of the sanitizers, not of ours.
    libasan|libubsan|libtsan|librt|libresolv|libstdc++) continue ;;
    esac
    ok=no
    for want in "$@"; do
      test "$lib" = "$want" && ok=yes
    done
    test $ok = yes || fail "$prog is linked with $lib"
    seen=$((seen + 1))
  done
  checked=$((checked + 1))
}

checked=0 seen=0
# Regular expressions, for `classify` and `rules`: they cost it no process.
allowed hangdog libpcre2-8
allowed hangdog-keeper
allowed hangdog-daemon libpcre2-8
allowed hangdog-daemon-libvirt libvirt libvirt-qemu libpcre2-8
allowed hangdog-writer libzstd libcrypto libcurl
# Each library costs it a part of its millisecond.
allowed hangdog-parser libzstd
allowed hangdog-parser-foreign libzstd libcrypto libarchive
allowed hangdog-beat
# The only one that asks guests with libcurl.
allowed hangdog-net libcurl
allowed hangdog-exec
allowed hangdog-report
allowed hangdog-redact libzstd libpcre2-8
# The only one with libssh.
allowed hangdog-ssh libssh
allowed hangdog-check libpcre2-8
allowed hangdog-controller libzstd libcrypto libarchive libmicrohttpd libsqlite3
test "$checked" -ge 5 || fail "only $checked programmes were looked at"
if ! grep -q 'PROG_LDFLAGS = -static' "$HANGDOG_BUILD/Makefile"; then
  test "$seen" -ge 4 || fail "only $seen libraries were seen: readelf says something else"
  # The test must be able to see what it forbids.
  needs hangdog-daemon | grep -q pcre2 || fail "the daemon is without pcre2?"
fi

# A name stands for one thing in all rooms of the daemon: of two functions of one
# name in two archives a linker takes either, and says nothing.
rooms="libbase.a libguests.a libtransports.a libscenarios.a libkernel.a libdiag.a libcollect.a libdaemon.a librooms_novirt.a"
# shellcheck disable=SC2086
if command -v ld >/dev/null && (cd "$HANGDOG_BUILD" && ls $rooms) >/dev/null 2>&1; then
  together () { (cd "$HANGDOG_BUILD" && LC_ALL=C ld -r --whole-archive $rooms "$@" -o /dev/null 2>&1); }
  twice=$(together | grep 'multiple definition' | head -n 5)
  test -z "$twice" || fail "one name for two things: $twice"
  # The test must be able to see what it forbids.
  together --no-whole-archive guests/guest.o | grep -q 'multiple definition' \
    || fail "ld says nothing of two functions of one name"
fi

# Inside the parser: nothing of the rooms that talk to guests.
if test -e "$HANGDOG_BUILD/hangdog-parser" && command -v nm >/dev/null; then
  for sym in guest_registry_new console_hub_new transport_find scenario_load \
    spool_open ship_init; do
    ! nm "$HANGDOG_BUILD/hangdog-parser" 2>/dev/null | grep -q " [TtDd] $sym\$" \
      || fail "hangdog-parser contains $sym"
  done
fi
