# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: Apache-2.0
#
# ended.sh - a piece of lab.sh: what is said, and done, when the process of a guest that is waited for has ended.

# lab_ended NAME - says so, with the last lines of whoever knows why.
lab_ended() {
    local f name=$1 lv=$LAB_DIR/lv
    lab_log "the process of the guest '$name' has ended by itself, $([ -n "$(lab_get "$name" seen_up)" ] && echo after || echo before) it was seen up"
    # An EVE guest's QEMU speaks to its console's log: they are one file there.
    for f in "$(lab_get "$name" log)" "$lv/log/qemu/$name.log" "$lv/log/libvirtd.log"; do
        [ -s "$f" ] || continue
        lab_log "${f#"$LAB_DIR/"} ends with:"
        tail -n 8 "$f" | cat -v | sed 's/^/lab:   /' >&2
    done
}

# lab_once_more NAME - begins a guest again that ended in its first boot, which is no fault of what is tested: once, and
# loudly. Not one that goes on from a saved state: who restores it knows better what to do then.
lab_once_more() {
    local name=$1 way port options=()
    [ -z "$(lab_get "$name" seen_up)$(lab_get "$name" once_more)" ] || return 1
    mapfile -t options <"$LAB_DIR/g/$name/options"
    [ "${options[0]:-}" != "" ] || options=()
    case " ${options[*]:-} " in *' incoming='*|*' start=no '*) return 1 ;; esac
    way=$(lab_get "$name" launcher)
    port=$(lab_get "$name" port)
    lab_log "BEGUN ONCE MORE: the guest '$name' ended in its boot, which is QEMU's doing or the machine's"
    lab_stop "$name" || return 1
    "lab_start_$way" "$name" ${options[@]+"${options[@]}"} ${port:+"port=$port"} || return 1
    lab_set "$name" once_more yes
}

# lab_until_up NAME SECONDS COMMAND - lab_until of what shows that a guest is up. 1: not in time; 2: its process has ended.
lab_until_up() {
    local rc=0
    lab_until "$2" "$3" "guest.$1" || rc=$?
    if [ $rc = 2 ]; then
        lab_ended "$1"
        lab_once_more "$1" || return 2
        rc=0
        lab_until "$2" "$3" "guest.$1" || rc=$?
        [ $rc != 2 ] || lab_ended "$1"
    fi
    [ $rc != 0 ] || [ -n "$(lab_get "$1" seen_up)" ] || lab_set "$1" seen_up yes
    return $rc
}
