#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# All collectors on real guests of libvirt's, with kernels 6.1 and 6.12: what each brings, that libvirt's own calls
# taint nothing, that raw commands do and are listed under impact, that a disk which its owner lets crawl is told as
# such, and an NMI where it is allowed. COLLECT_KERNELS: other kernels.
# Part of make lab-long.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/integration/bed.sh"
bed_needs jq virsh
[ -x "$build/hangdog-daemon-libvirt" ] || { echo "skipped: no libvirt in this build"; exit 77; }
bed_lab
mkdir -p "$work/playbooks"
cat >"$work/display.xml" <<EOX
<graphics type='vnc' socket='$work/display'/><video><model type='vga'/></video>
EOX
cat >"$work/playbooks/all.json" <<EOJ
{ "name": "all", "steps": [
  "host", { "do": "memory", "registers": "untainted", "budget": "40s" }, { "do": "console", "budget": "10s" },
  { "do": "monitor", "budget": "20s" }, { "do": "disk", "budget": "20s" }, { "do": "screen", "budget": "15s" },
  { "do": "image", "budget": "20s" }, { "do": "net", "budget": "15s" },
  { "do": "sysrq", "name": "pressed", "keys": "h", "by": "keyboard", "budget": "15s" },
  { "do": "sysrq", "keys": "hwm", "budget": "40s" },
  { "do": "application", "budget": "40s" }, { "do": "inside", "budget": "40s" }, "gdb", "nmi" ] }
EOJ
echo '{ "name": "raw", "steps": [ { "do": "monitor", "raw": true, "budget": "40s" } ] }' >"$work/playbooks/raw.json"

part() { hd bundle cat "$bundle" "$1" 2>/dev/null; }
# fact NAME - its values, one a line.
fact() { part manifest.json | jq -r --arg n "$1" '.facts[] | select(.name == $n) | .value'; }
is() { fact "$1" | grep -Eq -- "^($2)\$" || fail "$1 is '$(fact "$1" | tr '\n' ' ')' and not '$2'"; } # FACT PATTERN
has() { part "$1" | grep -Eq -- "$2" || fail "$1 has no '$2': $(part "$1" | head -c 300)"; } # FILE PATTERN
gap() { part manifest.json | jq -r '.gaps[] | "\(.what): \(.why)"' | grep -Eq -- "$1" || fail "no gap '$1'"; } # PATTERN
gaps() { part manifest.json | jq -r '.gaps[] | "    gap \(.what): \(.why)"'; }
impact() { part manifest.json | jq -r '.impact[].what'; }
look() { # GUEST PLAYBOOK
    hd diagnose "$1" --playbook "$2" >"$work/out" 2>&1
    bundle=$(grep -Eo 'bundle=[^ ]*' "$work/out"); bundle=${bundle#bundle=}
    [ -s "$bundle" ] || die "no bundle: $(head -n 5 "$work/out")"
}
tainted() { grep -q 'custom-monitor' "$LAB_DIR/lv/log/qemu/$1.log"; }

# everything GUEST - of a healthy one, with all collectors.
everything() {
    at="$1: plan"
    hd diagnose "$1" --playbook all --dry-run >"$work/plan" 2>&1
    says "$work/plan" 'picture of its display'
    says "$work/plan" 'sends an NMI'
    at="$1: all"
    look "$1" all
    gaps
    # memory: the tasks, two looks, and nothing asked of anybody.
    [ -n "$(fact kernel.release)$(part memory/system.jsonl | head -c 1)" ] || fail "memory says nothing"
    [ "$(fact tasks.count | head -n 1)" -gt 10 ] 2>/dev/null || fail "tasks: $(fact tasks.count)"
    # host
    is qemu.state running
    has qemu/threads.txt 'CPU 0/TCG|CPU 0/KVM'
    # monitor and disk, by libvirt's own calls
    is vmm.monitor answers
    is vmm.status running
    has qmp/transcript.jsonl 'balloon.current'
    has qmp/transcript.jsonl 'block.0.rd.reqs'
    has qmp/transcript.jsonl 'vcpu.0.state'
    is disk.vda.io_status ok
    is disk.vda.throttled false
    is disk.vda.crawls false
    is disk.vda.host_read ok
    # screen
    { hd bundle cat "$bundle" screen/screen.png --raw | head -c 4 | grep -qa PNG; } 2>/dev/null || { hd bundle cat "$bundle" screen/screen.ppm --raw | head -c 2 | grep -q P6; } || fail "no picture"
    # sysrq: on its keyboard, by a call of libvirt's own
    is sysrq.route 'keyboard'
    is kernel.answers shown
    has sysrq/h.txt 'HELP'
    has sysrq/w.txt '[Ss]how [Bb]locked'
    has sysrq/m.txt 'Mem-Info'
    # inside, over its console
    has inside/uptime.txt '^[0-9.]+'
    # an NMI, which was allowed
    impact | grep -q 'NMI' || fail "impact does not tell of the NMI"
    lab_wait_console "$1" 'NMI received for unknown reason' 20 || fail "its kernel got no NMI"
    ! tainted "$1" || fail "the domain is tainted, and nobody asked for a raw command"
    impact | grep -q 'taint' && fail "impact tells of a taint"

    at="$1: slow"
    lab_virsh blkdeviotune "$1" vda --total-iops-sec 4 >/dev/null || fail "it is not throttled"
    look "$1" all
    is disk.vda.throttled true
    is disk.vda.crawls true
    lab_virsh blkdeviotune "$1" vda --total-iops-sec 0 >/dev/null

    at="$1: raw"
    look "$1" raw
    gaps
    has qmp/transcript.jsonl 'query-migrate'
    has qmp/transcript.jsonl 'info registers'
    has qmp/transcript.jsonl 'query-chardev'
    is vcpu.0.halted 'true|false'
    impact | grep -q 'raw monitor commands .*tainted' || fail "impact does not tell of the taint: $(impact)"
    tainted "$1" || fail "libvirt has not noted it"
}

for k in ${COLLECT_KERNELS:-6.1 6.12}; do
    g=web-${k/./-}
    at=$g
    lab_disk "$work/$g.img" 32M || exit $?
    lab_start_libvirt "$g" kernel="$k" net=no disk="$work/$g.img" devices="$work/display.xml" sysrq=1 || exit $?
    chmod 711 "$LAB_DIR/lv" "$LAB_DIR/lv/sock"
    chmod 777 "$LAB_DIR/lv/sock/libvirt-sock"
    if [ -z "$daemon" ]; then
        cat >"$work/config.json" <<EOJ
{"schema": "hangdog/config/1", "playbooks": ["$work/playbooks"], "intrusive": ["nmi"], "sources": [{"kind": "libvirt", "uri": "$LAB_URI"}]}
EOJ
        export HANGDOG_RUN=$work/run HANGDOG_STATE=$work/state HANGDOG_LIBEXEC=$build
        bed_daemon
    fi
    lab_wait_up "$g" 240 || exit 1
    bed_seen "$g"
    everything "$g"
    lab_stop "$g"
done
[ "$failed" = 0 ] || tail -n 5 "$work/log"
[ "$failed" = 0 ] && echo PASS
exit "$failed"
