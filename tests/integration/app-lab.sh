#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154,SC2016
#
# Which application is behind a scenario, on a real guest with systemd: a unit whose threads wait for each other, asked
# of somebody inside by ssh and by its agent alone, and of its memory alone. Each must name unit, process and what is
# amiss, and none the other application that is well. Part of make lab-long.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/integration/bed.sh"
bed_needs jq ssh-keygen
bed_lab
[ -x "$build/hangdog-ssh" ] || { echo "app-lab: skipped: no ssh in this build"; exit 77; }

one=app$$
lab_boot_eve "$one" profile=shell system=systemd agent=run sshd=yes mem=384 || exit $?
lab_sshd "$one" "$work/keys" || exit $?
who=nobody
! id hangdog >/dev/null 2>&1 || who=hangdog
install -d -m 700 -o $who "$work/ssh"
install -m 600 -o $who "$work/keys/key" "$work/ssh/key"
install -m 644 "$work/keys/known_hosts" "$work/ssh/known_hosts"
for port in 8080 8081; do
    lab_ctl "$one" "systemd-run --quiet --unit=shop$port --property=Restart=no --property=MemoryMax=48M /usr/bin/labd shop $port" || die "shop$port"
done
lab_until 30 'lab_ctl "$one" "labd shop-ask 8080 && labd shop-ask 8081"' || die "the shops are not open"

# Each scenario has a playbook that asks by its way alone.
mkdir "$work/playbooks"
playbook() { echo "{\"schema\": \"hangdog/playbook/1\", \"name\": \"$1\", \"summary\": \"by $1\", \"steps\": [$2]}" >"$work/playbooks/$1.json"; }
for way in ssh agent; do
    playbook "by-$way" "{\"do\": \"application\", \"way\": \"$way\", \"budget\": \"40s\"}, {\"do\": \"inside\", \"way\": \"$way\", \"budget\": \"40s\"}"
done
playbook by-memory '"memory"'
ssh="\"address\": \"127.0.0.1:$(lab_get "$one" port)\", \"ssh\": { \"user\": \"root\", \"key\": \"key\" }"
common='"interval": "40s", "timeout": "30s", "initial-delay": "1s", "retry-interval": "2s", "failure-threshold": 1'
# scenario PLAYBOOK - all by one at a time: $work/scenarios.json.
scenario() {
    case $1 in
        by-agent) echo "{\"name\": \"$1\", \"kind\": \"agent-exec\", \"program\": \"/usr/bin/labd\", \"args\": [\"shop-ask\", \"8080\"], \"playbook\": \"$1\", $common}" ;;
        *) echo "{\"name\": \"$1\", \"kind\": \"ssh-command\", \"command\": \"labd shop-ask 8080\", \"playbook\": \"$1\", $ssh, $common}" ;;
    esac >"$work/scenarios.json"
}

lab_ctl "$one" 'kill -USR1 $(systemctl show -p MainPID --value shop8080); labd shop-ask 8080; labd shop-ask 8080; true'
for at in by-ssh by-agent by-memory; do
    scenario $at
    bed_config "\"scenarios\": [\"$work/scenarios.json\"], \"default-scenario\": false, \"playbooks\": [\"$work/playbooks\"], \"sink\": {\"url\": \"dir:$work/out.$at\"},"
    bed_daemon
    hd wait "$one" --verdict any --timeout 150s >"$work/said" 2>&1
    says "$work/said" 'application-dead'
    lab_until 20 "compgen -G '$work/state/**/*.tar.zst' >/dev/null || find '$work' -name '*.tar.zst' | grep -q ." || fail "no bundle"
    bundle=$(find "$work" -name '*.tar.zst' -newer "$work/scenarios.json" | head -n 1)
    hd bundle cat "$bundle" incident.json | jq -r .verdict.culprit >"$work/culprit"
    hd bundle cat "$bundle" manifest.json | jq -r '(.facts[] | select(.name | test("^app|^inside")) | "\(.name)=\(.value) by \(.source)"), (.gaps[]? | "gap \(.what): \(.why)")' >>"$work/culprit"
    says "$work/culprit" '^shop8080\.service, shop \([0-9]+\).*3 of 3 threads wait in a futex'
    says "$work/culprit" '^app\.tied=command by '
    ! grep -q shop8081 "$work/culprit" || fail "the other one is named: $(cat "$work/culprit")"
    case $at in by-ssh | by-agent) says "$work/culprit" "^inside\\.way=${at#by-} by inside" ;; esac
    echo "$at: $(head -n 1 "$work/culprit")"
    kill "$daemon"
    wait "$daemon" 2>/dev/null
    daemon=
    rm -rf "$work/state" "$work/run"
done
exit "$failed"
