# shellcheck shell=bash disable=SC2034,SC2154,SC2016
# SPDX-License-Identifier: Apache-2.0
#
# zoo.sh - the parts of tests/zoo/one. docs/zoo.md has what a document says.

# ---- the guests ----

# zoo_options DOCUMENT - the guest's options in the array "options": those of the document, and on top of them what
# the vantage is about.
zoo_options() {
    mapfile -t options < <(jq -r --arg work "$work" '.guest.options // [] | .[] | gsub("@WORK@"; $work)' "$1")
    launcher=$(jq -r '.guest.launcher // "eve"' "$1")
    disk=$(jq -r '.guest.disk // ""' "$1")
    server=$(jq -r '.guest.server // "file"' "$1")
    options=(kernel="$kernel" "${options[@]}")
    hold=''
    [ "$vantage" != console ] || hold=1
    case $vantage in
        eve) # what EVE's guests are like: no device that tells, a quiet kernel, Ubuntu's mask
            # And no libvirt. What is about a console that is read all the time has one that is (console-mode hold).
            [ "$launcher" = eve ] || hold=1
            launcher=eve
            mapfile -t options < <(printf '%s\n' "${options[@]}" | grep -vE '^(agent|pvpanic|vmcoreinfo)=')
            options+=(sysrq=176 quiet=yes) ;;
        memory) options+=(profile=none quiet=yes) ;;
    esac
}

# The disk of a guest, behind a server of its own where the fault is about that.
zoo_disk() { # GUEST
    disk_option=()
    case $disk in '') return 0 ;; esac
    local f=$work/disk.$1
    case $server in
        file) lab_disk "$f" "$disk" && disk_option=("disk=$f") ;;
        full) # sparse, on a file system that has less room than it says
            mkdir -p "$work/small" && mount -t tmpfs -o size=24m zoo "$work/small" || return 77
            lab_disk "$work/small/disk" "$disk" && disk_option=("disk=$work/small/disk") ;;
        frozen) # on a file system of the host's that can be frozen
            mkdir -p "$work/small" && truncate -s 160M "$work/small.img" && mke2fs -q -t ext4 "$work/small.img" &&
                mount -o loop "$work/small.img" "$work/small" || return 77
            lab_disk "$work/small/disk" "$disk" && disk_option=("disk=$work/small/disk") ;;
        nbd)
            command -v qemu-nbd >/dev/null || return 77
            # Several guests have theirs from one server that serves them all, one after the other of its exports.
            if ! lab_pid nbd >/dev/null; then
                zoo_nbd_start || return
            fi
            disk_option=("disk=nbd+unix:///$1?socket=$work/nbd") ;;
    esac
}
zoo_nbd_start() { # one export for each guest: one process, that may be stopped
    local g args=()
    for g in $guests; do
        [ -e "$work/disk.$g" ] || lab_disk "$work/disk.$g" "$disk" || return
        args+=(--blockdev "driver=file,node-name=f$g,filename=$work/disk.$g" --blockdev "driver=raw,node-name=$g,file=f$g"
            --export "type=nbd,id=e$g,node-name=$g,name=$g,writable=on")
    done
    lab_spawn nbd "$work/nbd.log" qemu-storage-daemon --nbd-server "addr.type=unix,addr.path=$work/nbd,max-connections=0" "${args[@]}" || return
    lab_until 15 "test -S '$work/nbd'"
}

# zoo_boot GUEST - from a saved state where there is one. Guests with a disk of their own, of libvirt's and such as
# are in the midst of their boot when it begins are booted each time.
zoo_boot() {
    local g=$1 up
    up=$(jq -r '.guest.up // "ready"' "$doc")
    zoo_disk "$g" || return
    case $launcher in
        libvirt) lab_start_libvirt "$g" "${options[@]}" "${disk_option[@]}" || return ;;
        eve)
            if [ "$up" = ready ] && [ -z "$disk" ] && [[ " ${options[*]} " != *" log="* ]]; then
                zoo_state "$g"
                return
            fi
            lab_start_eve "$g" "${options[@]}" "${disk_option[@]}" || return ;;
    esac
    case $up in
        ready) lab_wait_up "$g" 180 || return; zoo_settled "$g" ;;
        no) ;;
    esac
}
zoo_settled() { # GUEST: what its console shows when it is ready
    case " ${options[*]} " in
        *" profile=none "*) ;;
        *" profile=login "*) lab_wait_console "$1" 'login: ' 180 ;;
        *" system=systemd "*) lab_wait_console "$1" 'root@lab' 180 ;;
        *) lab_wait_console "$1" '~ # ' 120 ;;
    esac
}
zoo_state() { # GUEST: as lab_boot_eve, but a guest of systemd's, with its disk, too
    local g=$1 key snap
    case " ${options[*]} " in *" system=systemd "*) ;; *) lab_boot_eve "$g" "${options[@]}"; return ;; esac
    key=$( ("$src/tests/lab/image" "$kernel"; "$src/tests/lab/systemd-image" "$kernel"; echo "$LAB_ACCEL"; printf '%s\n' "${options[@]}"
        "$LAB_QEMU" --version; lab_eve_text) | sha256sum | cut -c1-16)
    snap=$LAB_CACHE/zoo-$key
    exec 9>"$LAB_CACHE/.zoo.lock"
    flock 9
    if [ -e "$snap" ]; then
        flock -u 9
        lab_restore "$g" "$snap" && lab_wait_up "$g" 60
        return
    fi
    # Two kinds of guests: the newest four states are enough.
    find "$LAB_CACHE" -maxdepth 1 -name 'zoo-????????????????' -printf '%T@ %p\n' | sort -rn |
        tail -n +4 | cut -d' ' -f2- | while read -r old; do rm -f "$old" "$old".*; done
    lab_start_eve "$g" "${options[@]}" && lab_wait_up "$g" 300 && zoo_settled "$g" && sleep 5 && lab_save "$g" "$snap"
    local rc=$?
    flock -u 9
    return $rc
}

# What this vantage is not to see, is not there.
zoo_blind() {
    local g
    for g in $guests; do
        case $vantage in
            console) rm -f "$(lab_get "$g" qmp)" ;;
            monitor) rm -f "$(lab_get "$g" cons)" ;;
            memory) rm -f "$(lab_get "$g" qmp)" "$(lab_get "$g" cons)" ;;
        esac
    done
}

# zoo_oopsed GUESTS - did one of them die of what nobody had ordered?
oops='general protection fault|BUG: unable to handle|double fault|kernel BUG at|invalid opcode|int3: 0000|stack segment:|Oops: '
zoo_oopsed() {
    local g
    for g in $1; do grep -aqE "$oops" "$(lab_get "$g" log)" && return 0; done
    return 1
}
# zoo_oopsed_after DOCUMENT - the same after the fault. Where an oops was ordered, the first one has to be that: its
# text names whom the document wants named. A panic's text that somebody only prints has no registers.
zoo_oopsed_after() {
    local g v
    for g in $guests; do
        v=from_$g
        zoo_oops_of_itself "$1" < <(tail -c "+$((${!v} + 1))" "$(lab_get "$g" log)") && return 0
    done
    return 1
}
zoo_oops_of_itself() { # DOCUMENT, console on stdin, of which there may be a flood
    local text
    text=$(grep -aE -m1 -A90 "$oops" | tr -d '\0\r')
    [ -n "$text" ] || return 1
    jq -enr --slurpfile doc "$1" --arg text "$text" '$doc[0] | (.oops // false) == false
        or (.want.culprit as $who | $text | test("RIP: ") and ($who == null or (test($who; "i") | not)))' >/dev/null
}

# ---- hangdog ----

# What a user binds: does a shell answer, and does the kernel live. As examples/scenarios/ has them, but asked more
# often: a run of the zoo waits for it.
zoo_scenarios() { # DOCUMENT
    local uptime=true beat=true
    case $vantage in monitor) uptime=false beat=false ;; memory) uptime=false ;; console) beat=false ;; esac
    [ "$(jq '.guest.no_shell // false' "$1")" = false ] || uptime=false
    local often='["10s", "5s", "3s"]'
    # A control has to bear what people ask, and not what is quick for a test.
    local soon=false
    [ -z "$fast" ] || [ "$(jq '.control // false' "$1")" = true ] || { often='["5s", "3s", "2s"]'; soon=true; }
    jq --argjson soon $soon --argjson often "$often" --argjson uptime $uptime --argjson beat $beat --arg v "$vantage" --arg launcher "$launcher" --arg delay "$(jq -r '.guest.delay // "1s"' "$1")" --arg port "$(lab_get z1 port)" '
        {scenarios: (
          [ if $uptime then {name: "uptime", kind: "console-command", interval: $often[0], timeout: $often[1], "initial-delay": $delay,
              "retry-interval": $often[2], "failure-threshold": 2, severity: "critical", command: "uptime",
              expect: {status: 0, output: "load average"}} else empty end,
            if $beat then {name: "kernel-lives", kind: "memory-heartbeat", interval: "10s", timeout: "5s", "retry-interval": "6s", "initial-delay": "5s",
              playbook: "quick"} else empty end,
            if $v == "memory" then {name: "tasks-move", kind: "memory-tasks", interval: "15s", timeout: "10s", "retry-interval": "5s", "initial-delay": "3s",
              "failure-threshold": 2, "blocked-for": "15s", playbook: "quick"} else empty end,
            if $v == "monitor" then {name: "qemu", kind: "monitor", interval: "10s", timeout: "5s", vcpus: true, "vcpus-stuck": ($launcher == "eve"), "initial-delay": "1s",
              "retry-interval": "5s", "failure-threshold": 2, playbook: "quick"} else empty end ]
          + (.scenarios // [] | map(if $soon then . + {interval: $often[0], timeout: "4s", "retry-interval": $often[2]} else . end) | map(walk(if type == "string" then gsub("@PORT@"; $port) else . end))) )}' "$1"
}
# What a diagnosis asks by this vantage: playbooks that take the place of those that are shipped.
zoo_playbooks() {
    local steps name
    case $vantage in
        console) steps="\"host\", \"console\", {\"do\": \"xon\", \"if\": \"reach.console == 'dead silent'\"}, \"sysrq\", \"inside\"" ;;
        monitor) steps='"host", "monitor"' ;;
        memory) steps='"host", "memory"' ;;
        *) return 0 ;;
    esac
    mkdir -p "$work/playbooks"
    for name in quick standard; do
        echo "{\"schema\": \"hangdog/playbook/1\", \"name\": \"$name\", \"summary\": \"$vantage alone\", \"steps\": [$steps]}" >"$work/playbooks/$name.json"
    done
    more="$more \"playbooks\": [\"$work/playbooks\"],"
}
zoo_config() {
    local beat=1s more
    case $vantage in console | monitor) beat=0s ;; esac
    more="\"scenarios\": [\"$work/scenarios.json\"], \"default-scenario\": false, \"heartbeat\": \"$beat\","
    zoo_playbooks
    if [ "$launcher" = libvirt ]; then
        chmod 711 "$LAB_DIR/lv" "$LAB_DIR/lv/sock"
        chmod 777 "$LAB_DIR/lv/sock/libvirt-sock"
        echo "{\"schema\": \"hangdog/config/1\", $more \"sources\": [{\"kind\": \"libvirt\", \"uri\": \"$LAB_URI\"}]}" >"$work/config.json"
        export HANGDOG_RUN=$work/run HANGDOG_STATE=$work/state HANGDOG_LIBEXEC=$build
    else
        bed_config "$more"
    fi
    # Who has the console alone reads it all the time, or hears nothing of what is said between two questions.
    [ -z "$hold" ] || { jq '.sources[0]["console-mode"] = "hold"' "$work/config.json" >"$work/config.new" && mv "$work/config.new" "$work/config.json"; }
}
# A shell answers, and the heartbeat is read: from now on a fault is seen by all that can see it.
zoo_well() { # GUEST
    local want=well
    [ "$vantage" = monitor ] && { zoo_hd wait "$1" --for well --timeout 60s; return; }
    zoo_hd wait "$1" --for well --timeout 60s || return 1
    # Where a shell answers, that one tells first.
    case $vantage in console) return 0 ;; esac
    [ -z "$fast" ] || return 0
    lab_until 30 "hd status '$1' --json | jq -se 'any(.row == \"heartbeat\" and .beating and .beats >= 2)' >/dev/null" ||
        lab_log "$1 has no heartbeat"
    return 0
}

# A signal is heeded while they last, and not when they have ended.
zoo_sleep() { read -r -t "$1" -u "$never" _ || :; }
zoo_hd() {
    hd "$@" >"$work/said" 2>&1 &
    wait $!
}

# ---- the fault ----

# zoo_steps JQ - the steps of that list of the document, one after the other.
zoo_steps() {
    local n i step g pid
    n=$(jq "$1 // [] | length" "$doc")
    for ((i = 0; i < n; i++)); do
        step=$(jq -c "$1[$i]" "$doc")
        case $step in
            '{"inside"'*)
                for g in $guests; do lab_ctl "$g" "$(jq -r .inside <<<"$step")" >"$work/said" 2>&1 || zoo_failed "$step" || return; done ;;
            '{"script"'*)
                for g in $guests; do
                    zoo_put "$g" "$(jq -r .script <<<"$step")" &&
                        lab_ctl "$g" "sh /tmp/fault $(jq -r '.args // ""' <<<"$step")" >"$work/said" 2>&1 || zoo_failed "$step" || return
                done ;;
            '{"host"'*)
                g=$guest pid=$(lab_pid "guest.$guest")
                eval "$(jq -r .host <<<"$step")" >"$work/said" 2>&1 || zoo_failed "$step" || return ;;
            '{"wait"'*) zoo_sleep "$(jq -r .wait <<<"$step")" ;;
            *) lab_fail "no such step: $step"; return 1 ;;
        esac
    done
}
zoo_failed() { # STEP: true where it may
    local rc=$?
    # No answer: it does what it was ordered, or nobody is left to say so.
    [ $rc = 124 ] && return 0
    [ "$(jq -r '.may_fail // false' <<<"$1")" = true ] && return 0
    lab_fail "step $1: $rc: $(head -c 300 "$work/said")"
}
zoo_put() { # GUEST SCRIPT, in pieces: an order of the lab's is a line of 4 KiB at most
    local piece
    lab_ctl "$1" "rm -f /tmp/fault.b64" || return
    while read -r piece; do
        lab_ctl "$1" "echo $piece >>/tmp/fault.b64" || return
    done < <(gzip -9c "$src/examples/faults/$2.sh" | base64 -w 3200)
    lab_ctl "$1" "base64 -d /tmp/fault.b64 | gunzip >/tmp/fault"
}
# zoo_host FAULT [ARGUMENT]... - one of examples/faults/on-host.sh, on the guest $g and its QEMU $pid.
hosted=()
zoo_host() {
    local ask
    ask="'$LAB_TOOL' qmp '$(lab_get "$g" labqmp)' 10"
    [ "$launcher" != libvirt ] || ask="virsh -q -c '$LAB_URI' qemu-monitor-command '$g'"
    hosted+=("$1 ${2:-} --pid $pid")
    sh "$src/examples/faults/on-host.sh" "$@" --pid "$pid" --ask "$ask"
}
zoo_host_undo() {
    local h
    # Nobody asks a monitor that may be stuck, or gone.
    for h in "${hosted[@]}"; do
        # shellcheck disable=SC2086 # words
        sh "$src/examples/faults/on-host.sh" $h --ask : --undo >/dev/null 2>&1
    done
}
zoo_thaw() { # or nobody who waits for it can be ended
    zoo_host_undo
    [ "$server" != frozen ] || fsfreeze --unfreeze "$work/small" 2>/dev/null
}
zoo_undo() { umount "$work/small" 2>/dev/null; }

# ---- what is said ----

incident_rows() { hd incidents --json 2>/dev/null | jq -c 'select(.row == "incident")'; }

# What nobody is told of because it is no incident, a person is told who asks.
zoo_asked() {
    zoo_sleep "$(jq -r '.watch // 20' "$doc")"
    zoo_hd diagnose "$guest"
}
# zoo_told SECONDS - until there is a verdict, and what else is being looked at is done, too.
zoo_told() {
    local n quiet=0 last='' now settle
    settle=$(jq -r '.settle // 6' "$doc")
    [ -z "$fast" ] || settle=2
    zoo_hd wait "$guest" --verdict any --timeout "$1s" || return 0
    # The others, of several; and what has begun meanwhile.
    for ((n = 0; n < 120; n++)); do
        now=$(incident_rows | jq -sc 'map([.id, .phase, .verdict.class])')
        if [ "$now" = "$last" ] && jq -e 'length > 0 and all(.[1] != "open" and .[1] != "collecting")' <<<"$now" >/dev/null; then
            quiet=$((quiet + 1))
            # What text raised is taken over by the check that fails a little later.
            [ $quiet -lt $((2 * settle)) ] || return 0
        else
            quiet=0
        fi
        last=$now
        sleep 0.5
    done
}

# zoo_result - one line of JSON.
zoo_result() {
    local id bundle facts=$work/facts bytes=0 incident=0
    # The firmest one counts, and of those the latest; where it is to be the host's, that.
    id=$(jq -sr --argjson host "$(jq '.want.host_incident // false' "$doc")" 'map(select(.verdict.class != null))
        | (if $host then map(select((.key // "") != "")) else [] end) + map(select((.key // "") == "")) | (map(select(.scenario != "kernel")) + map(select(.scenario == "kernel"))) | .[0].id // ""' "$work/incidents")
    : >"$facts"
    : >"$work/head"
    echo '[]' >"$work/members"
    if [ -n "$id" ]; then
        bundle=$(find "$work/state" "$work/out" -name "*$id*.tar.zst" 2>/dev/null | head -n 1)
        # The same trouble once more makes none: what was got of it the first time is to be had there.
        [ -n "$bundle" ] || bundle=$(find "$work/state" "$work/out" -name "*$(jq -sr --arg id "$id" 'map(select(.id == $id))[0].repeat_of // $id' "$work/incidents")*.tar.zst" 2>/dev/null | head -n 1)
        if [ -n "$bundle" ]; then
            bytes=$(stat -c %s "$bundle")
            hd bundle cat "$bundle" facts.jsonl --raw >"$facts" 2>/dev/null
            hd bundle cat "$bundle" manifest.json --raw >"$work/head" 2>/dev/null
            incident=$(hd bundle cat "$bundle" incident.json --raw 2>/dev/null | wc -c)
            hd bundle ls "$bundle" --json 2>/dev/null | jq -s 'map(.name // empty)' >"$work/members"
        fi
    fi
    jq -nc --rawfile status "$work/status" --slurpfile doc "$doc" --slurpfile inc "$work/incidents" --slurpfile facts "$facts" --slurpfile members "$work/members" --slurpfile head "$work/head" \
        --arg id "$id" --arg kernel "$kernel" --arg vantage "$vantage" --argjson began "$began" \
        --argjson bytes "$bytes" --argjson incident "$incident" --argjson guests "$count" -f "$src/tests/zoo/judge.jq"
}
