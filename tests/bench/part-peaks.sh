# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC1091,SC2154
#
# Budgets: what each process takes at its most while a real guest, whose shell stands and whose tasks wait for a lock, is diagnosed by playbook deep; by
# its resident memory, libraries and all.

. "$src/tests/lab/lab.sh"

peaks_part() {
    local name kib n most sum=0 ms out=$work/peaks peaks
    if ! command -v qemu-system-x86_64 >/dev/null || ! lab_init "$work/lab"; then
        echo "peaks: no lab here: left out"
        return
    fi
    chmod 711 "$work/lab" "$LAB_DIR"
    lab_disk "$work/disk.img" 64M || return
    lab_start_eve web profile=shell sysrq=1 pvpanic=yes disk="$work/disk.img" && lab_wait_up web 180 || return
    # A crowd of tasks, and a log of some length.
    lab_ctl web '(i=0; while [ $i -lt 300 ]; do sleep 100000 & i=$((i + 1)); done; wait) >/dev/null 2>&1 &' >/dev/null
    hd_config "{\"kind\": \"rundir\", \"root\": \"$LAB_RUN/hypervisor/kvm\", \"eve\": \"$LAB_RUN\"}"
    hd_start
    # A client that finds no daemon does its work itself.
    lab_until 30 "test -S '$work/run/control' && hd list 2>/dev/null | grep -q web" || { echo "peaks: hangdog does not see the guest"; broken=1; return; }
    "$bench/peaks" "$HD" >"$out" &
    peaks=$!
    lab_ctl web "lab-fault mutex; lab-fault shell-stop" >/dev/null
    ms=$(date +%s%N)
    for n in 1 2; do hd diagnose web --playbook deep >"$work/deep.$n" 2>&1; done
    ms=$((($(date +%s%N) - ms) / 2000000))
    echo "peaks: $(grep -h '^verdict=' "$work/deep.2" | cut -c1-100); one took $ms ms"
    kill "$peaks"
    wait "$peaks"
    while read -r name kib n; do
        most=48
        case $name in hangdog-parser*) most=64 ;; *) sum=$((sum + kib)) ;; esac
        promise "peaks" "$name $(calc "$kib / 1024" 1) MiB resident at its most ($n of them), $(calc "$kib / 1024 / $most" 2) of its budget" "$kib / 1024" "<" "$most"
    done <"$out"
    promise "peaks" "all but the parser, each at its most: $(calc "$sum / 1024" 1) MiB, $(calc "$sum / 1024 / 48" 2) of the budget" "$sum / 1024" "<" 48
    [ "$(grep -c . "$out")" -ge 5 ] || { echo "peaks: only these were seen: $(cut -d' ' -f1 "$out" | tr '\n' ' ')"; broken=1; }
    hd_stop
    lab_stop web
}
export HANGDOG_LIBEXEC=$build
peaks_part
