#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# SysRq on real guests: dumps of a quiet kernel, whose loglevel is afterwards what it was, also when the daemon is
# killed while it is raised; what a guest's mask refuses is not asked; and a suspicion leaves no mark on a domain.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/integration/bed.sh"
bed_needs jq
bed_lab
lab_start_eve web profile=quiet sysrq=1 consoles=hvc0 append=lab.hung_task=0 || exit $?
lab_start_eve deb profile=quiet consoles=hvc0 || exit $?
for g in web deb; do lab_wait_up $g 180 || exit 1; done
bed_config
mkdir -p "$work/playbooks"
cat >"$work/playbooks/keys.json" <<'EOJ'
{ "name": "keys", "steps": [
  { "do": "sysrq", "keys": "hwlmqpzt", "budget": "90s" },
  { "do": "sysrq", "name": "by-shell", "keys": "wm", "by": "console", "budget": "30s", "if": "sysrq.refused" } ] }
EOJ
jq --arg p "$work/playbooks" '.playbooks = [$p]' "$work/config.json" >"$work/c" && mv "$work/c" "$work/config.json"
bed_daemon
for g in web deb; do bed_seen $g; done

levels() { lab_ctl "$1" cat /proc/sys/kernel/printk; }
# look GUEST - $bundle: what is told of it.
look() {
    hd diagnose "$1" --playbook keys >"$work/out" 2>&1
    bundle=$(grep -Eo 'bundle=[^ ]*' "$work/out"); bundle=${bundle#bundle=}
    [ -s "$bundle" ] || die "no bundle: $(head -n 5 "$work/out")"
}
part() { hd bundle cat "$bundle" "$1" 2>/dev/null; }
lines() { part "sysrq/$1.txt" | wc -l; }

# ---- a quiet kernel says all of it, and is quiet again ----
before=$(levels web)
look web
[ "$(levels web)" = "$before" ] || fail "loglevels before: $before, after: $(levels web)"
for k in m l q t; do
    [ "$(lines $k)" -gt 3 ] || fail "sysrq/$k.txt has $(lines $k) lines"
done
part sysrq/t.txt | grep -q 'Showing busy workqueues' || fail "the dump of all tasks is not whole"
part manifest.json | jq -e '[.impact[].what] | any(test("back to 4"))' >/dev/null || fail "impact does not say that the loglevel is back"

# ---- the daemon dies while it is raised ----
hd diagnose web --playbook keys >/dev/null 2>&1 &
asks=$!
lab_until 60 "[ \"\$(lab_ctl web cat /proc/sys/kernel/printk | cut -f 1)\" = 9 ]" || die "the loglevel was never raised"
for p in $(cat "/proc/$daemon/task/"*/children); do
    case $(tr '\0' ' ' <"/proc/$p/cmdline") in *hangdog-daemon*) kill -9 "$p" ;; esac
done
wait "$asks"
lab_until 90 "[ \"\$(lab_ctl web cat /proc/sys/kernel/printk)\" = '$before' ]" || fail "daemon killed: loglevels before: $before, now: $(levels web)"
echo "daemon killed with the loglevel raised: it is $(levels web | cut -f 1) again"

# ---- a mask ----
look deb
part manifest.json | jq -e '[.gaps[].why] | any(test("not asked: wlmqpzt,.*438"))' >/dev/null || fail "what is refused: $(part manifest.json | jq -c .gaps)"
[ "$(lines h)" = 1 ] || fail "h is not answered"
[ "$(lines m)" -gt 3 ] || fail "the shell brought $(lines m) lines of m"
[ "$failed" = 0 ] || tail -n 5 "$work/log"
[ "$failed" = 0 ] && echo PASS
exit "$failed"
