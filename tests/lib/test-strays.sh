#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2034
#
# A QEMU that libvirt began by itself, and whose command line does not name the lab's folder, is found at the lab's end and
# ended: by the first libvirtd, and by the second. One of somebody else's is not.
set -u
src=${HANGDOG_SRC:-$(cd "${srcdir:-.}" && pwd)}
unshare -m true 2>/dev/null || { echo "skipped: no mount namespaces here" >&2; exit 77; }
dir=$(cd "$(mktemp -d /tmp/hds.XXXXXX)" && pwd -P) || exit 1
pids=()
trap 'kill -9 "${pids[@]}" 2>/dev/null; rm -rf "$dir"' EXIT
. "$src/tests/lab/lab.sh"
mkdir -p "$dir/lab/pids" "$dir/lab/g" "$dir/lab/lv/run" "$dir/lab/lv2/run" "$dir/other/run" "$dir/bin"
cp "$(command -v sleep)" "$dir/bin/qemu-system-none" || exit 1
start() { # FOLDER: a QEMU that sees it in the place of /run/libvirt; sleeps by a name that has no folder
    # shellcheck disable=SC2016 # for that shell
    unshare -m --propagation private sh -c 'mount -t tmpfs tmpfs /run && mkdir /run/libvirt && mount --bind "$1" /run/libvirt &&
        exec env -i -C / PATH="$2" qemu-system-none 60' sh "$1" "$dir/bin" &
    pids+=("$!")
    disown # its end is not to be told
}
runs() { [ "$(readlink "/proc/$1/exe")" = "$dir/bin/qemu-system-none" ]; }
until_not() { local n; for ((n = 0; n < 200; n++)); do "$@" || return 0; sleep 0.02; done; return 1; }
start "$dir/lab/lv/run"
start "$dir/lab/lv2/run"
start "$dir/other/run"
n=0
for p in "${pids[@]}"; do
    until runs "$p" || [ $((n += 1)) -gt 200 ]; do sleep 0.02; done
done
LAB_DIR=$dir/lab LAB_TOOL=true
lab_stop_all 2>"$dir/said"
failed=0
for p in "${pids[@]:0:2}"; do until_not runs "$p" || { echo "FAIL: a stray is left"; failed=1; }; done
runs "${pids[2]}" || { echo "FAIL: somebody else's was ended"; failed=1; }
[ "$(grep -c stray "$dir/said")" = 2 ] || { echo "FAIL: it is not said: $(cat "$dir/said")"; failed=1; }
[ $failed = 0 ] && echo PASS
exit $failed
