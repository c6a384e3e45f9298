#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# Where QEMU has a guest's memory, for machines of many shapes: what is found by /proc is what the monitor
# says. The guests stand still before their first instruction. Part of make check-lab.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/integration/bed.sh"
bed_lab
command -v qemu-system-x86_64 >/dev/null || { echo "memory-lab: skipped: no qemu-system-x86_64" >&2; exit 77; }

failed=0 n=0
# same WHAT PATTERN PROGRAM ARG... - the map is found, reads PATTERN, and the monitor agrees.
same() {
    local what=$1 pattern=$2 out pid dir
    shift 2
    n=$((n + 1)) dir=$work/q$n
    mkdir "$dir"
    "$@" -display none -S -nodefaults -accel tcg -qmp "unix:$dir/qmp,server=on,wait=off" 2>"$dir/err" &
    pid=$!
    if ! lab_until 15 "test -S '$dir/qmp'"; then
        echo "FAIL: $what: QEMU does not start: $(cat "$dir/err")"
        failed=1
        return
    fi
    out=$("$build/tests/lib/memory-where" $pid unix "$dir" qmp 2>&1)
    kill $pid
    wait $pid 2>/dev/null
    if ! grep -q '^cross-check=same' <<<"$out" || ! grep -Eq -- "$pattern" <<<"$out"; then
        echo "FAIL: $what: no line like '$pattern', or the monitor says otherwise:"
        sed 's/^/    /' <<<"$out"
        failed=1
    fi
}
x86() { local w=$1 p=$2; shift 2; same "$w" "$p" qemu-system-x86_64 "$@"; }

x86 "a small PC" 'size=134217728 by=process' -m 128
x86 "a q35 that is split" 'gpa=0x100000000 len=0x30000000' -M q35 -m 2816
x86 "a q35 that is not" 'gpa=0 len=0xaff00000' -M q35 -m 2815
x86 "an i440fx that is split" 'gpa=0x100000000 len=0x20000000' -M pc -m 3584
x86 "an i440fx that is not" 'gpa=0 len=0xdff00000' -M pc -m 3583
x86 "less below 4 GiB" 'gpa=0x100000000 len=0x40000000' -M pc,max-ram-below-4g=1G -m 2G
x86 "less below 4 GiB on a q35" 'gpa=0x100000000 len=0x40000000' -M q35,max-ram-below-4g=1G -m 2G
x86 "microvm" 'gpa=0x100000000 len=0x20000000' -M microvm -m 3584
x86 "a memfd" 'by=file' -M q35,memory-backend=m -m 3G -object memory-backend-memfd,id=m,size=3G
x86 "a private memfd" 'by=process' -M q35,memory-backend=m -m 256 \
    -object memory-backend-memfd,id=m,size=256M,share=off
x86 "a file" 'by=file' -M q35,memory-backend=m -m 256 \
    -object "memory-backend-file,id=m,size=256M,mem-path=$work,share=on"
x86 "a private file" 'by=process' -M q35 -m 256 -mem-path "$work"
x86 "shared, without a name" 'size=268435456' -M q35,memory-backend=m -m 256 \
    -object memory-backend-ram,id=m,size=256M,share=on
x86 "two nodes" 'gpa=0x20000000 len=0x10000000' -M q35 -m 768 -smp 2 \
    -object memory-backend-ram,id=a,size=512M -object memory-backend-ram,id=b,size=256M \
    -numa node,memdev=a,cpus=0 -numa node,memdev=b,cpus=1
x86 "two nodes that look alike" "^asked=added note=\$" -M q35 -m 512 -smp 2 \
    -object memory-backend-ram,id=a,size=256M -object memory-backend-ram,id=b,size=256M \
    -numa node,memdev=a,cpus=0 -numa node,memdev=b,cpus=1
x86 "two memfds that look alike" "^asked=added note=\$" -M q35 -m 512 -smp 2 \
    -object memory-backend-memfd,id=a,size=256M -object memory-backend-memfd,id=b,size=256M \
    -numa node,memdev=a,cpus=0 -numa node,memdev=b,cpus=1
x86 "a DIMM" 'gpa=0x100000000 len=0x20000000' -M q35 -m 256,slots=2,maxmem=4G \
    -object memory-backend-ram,id=d,size=512M -device pc-dimm,memdev=d
x86 "as libvirt writes it" 'by=process' -machine pc-q35-7.2,memory-backend=pc.ram -m size=262144k \
    -object '{"qom-type":"memory-backend-ram","id":"pc.ram","size":268435456}'
printf '[machine]\n  type = "q35"\n[memory]\n  size = "3072"\n' >"$work/conf"
x86 "as EVE writes it" 'gpa=0x100000000 len=0x40000000' -readconfig "$work/conf"
if command -v qemu-system-aarch64 >/dev/null; then
    same "virt" 'gpa=0x40000000 len=0x80000000' qemu-system-aarch64 -M virt -cpu cortex-a57 -m 2G
fi
echo "$n shapes"
exit $failed
