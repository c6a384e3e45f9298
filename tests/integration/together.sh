#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# Four guests whose disks one server has, and that stop answering: one incident of this host, with theirs as
# children, over a daemon that is killed, until all of them are well. A fifth of another server is not of it.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/chaos/chaos.sh"
chaos_init together jq

four='web db mail log'
for g in $four other; do
    server=10.0.0.1:10809
    [ "$g" = other ] && server=10.0.0.2:10809
    FAKE_ARGS="-drive if=none,id=vda,file=nbd://$server/$g" fake_guest "$g"
done
url=
DELAY=0s chaos_scenario up '*' 3s 2500ms
sed -i 's/"playbook": "standard"/"playbook": "no-touch"/' "$work/scenarios/up.json"
chaos_config "$fake_source"
hd_start
for g in $four other; do until_ok 15 well_beyond "$g" 1 || die "$g is not well: $(hd status)"; done
exact "its disk" "$(rows 'select(.row=="guest" and .display=="web") | .disks[0].path')" nbd://10.0.0.1:10809/web
step "all are well"

incident() { hd incidents --json | jq -r "$1"; }
host() { incident 'select(.key != null) | '"$1"; }
for g in $four; do fake_tell "$g" play 0 dead; done
of_host() { [ "$(host .children)" = 4 ]; }
until_ok 20 of_host || { hd incidents; die "not one of the host"; }
exact "what they have in common" "$(host .key)" "server nbd 10.0.0.1:10809"
id=$(host .id)
judged() { [ "$(host .phase)" = packed ] && [ "$(incident "select(.parent == \"$id\" and .phase == \"packed\") | .guest" | wc -l)" = 4 ]; }
until_ok 40 judged || { hd incidents; die "the host's is not judged"; }
exact "its children" "$(incident "select(.parent == \"$id\") | .guest" | sort | tr '\n' ' ')" "db log mail web "
exact "its culprit" "$(host .verdict.culprit)" "server nbd 10.0.0.1:10809"
hd incidents | grep -Eq "^$id +this host +critical +[a-z-]+ +packed, 4 guests" || die "the list: $(hd incidents)"
hd incidents | grep -Eq " web +critical +[a-z-]* +packed, of ${id:0:8}" || die "the list: $(hd incidents)"
exact "status of one of them" "$(hd status web --json | jq -r 'select(.row == "incident") | .guest' | sort | tr '\n' ' ')" "this host web "
exact "who waits is told" "$(hd wait web --verdict any --json | jq -r .host_incident)" "$id"
hd bundle show "$(host .bundle)" >"$work/out" || die "its bundle: $(cat "$work/out")"
step "$(hd incidents | grep 'this host')"

# ---- after a restart ----
daemon=$(hd_pid daemon)
kill -9 "$daemon"
until_ok 15 hd_new_pid daemon "$daemon" || die "no new daemon"
again() { [ "$(host '"\(.id) \(.end)"')" = "$id not-ended" ]; }
until_ok 15 again || { hd incidents; die "the host's is forgotten"; }
still() { [ "$(incident "select(.parent == \"$id\" and .end == \"not-ended\") | .id" | wc -l)" = 4 ]; }
until_ok 15 still || { hd incidents; die "the children are forgotten"; }

# ---- until all are well ----
for g in web db mail; do fake_tell "$g" play 0 shell; done
one_left() { [ "$(incident "select(.parent == \"$id\" and .end == \"not-ended\") | .guest")" = log ]; }
until_ok 20 one_left || { hd incidents; die "they do not recover"; }
exact "one is not well yet" "$(host .end)" not-ended
fake_tell log play 0 shell
over() { [ "$(host .end)" = recovered ]; }
until_ok 20 over || { hd incidents; die "the host's does not end"; }
exact "the other one is not of it" "$(incident 'select(.guest == "other") | .parent // empty')" ""
hd_stop
