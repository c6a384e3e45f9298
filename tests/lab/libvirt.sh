# shellcheck shell=bash disable=SC2015,SC2034
# SPDX-License-Identifier: Apache-2.0
#
# libvirt.sh - a piece of lab.sh: a libvirtd of the lab's own, and its guests.
# SC2034: options that are declared here are set, and some used, by functions of lab.sh (bash's scope is dynamic).

# A libvirtd of the lab's own. Its folders under /run, /var and /etc are private by a mount namespace
# (run as root it has no other way to be told), so it neither sees nor disturbs the machine's own;
# its socket is in LAB_DIR, for everybody. Sets LAB_URI.
lab_libvirt_start() {
    [ -n "$LAB_URI" ] && lab_pid libvirtd >/dev/null && return 0
    lab_libvirtd_ "$LAB_DIR/lv" '' || return
    LAB_URI="qemu:///system?socket=$LAB_DIR/lv/sock/libvirt-sock"
    export LAB_URI
    lab_libvirtd_up_ "$LAB_DIR/lv" '' "$LAB_URI"
}

# lab_libvirt_second - another one beside it, which takes itself for another host: libvirt migrates to no
# host of the same uuid. Sets LAB_URI2.
lab_libvirt_second() {
    lab_libvirtd_ "$LAB_DIR/lv2" 2 || return
    LAB_URI2="qemu:///system?socket=$LAB_DIR/lv2/sock/libvirt-sock"
    export LAB_URI2
    lab_libvirtd_up_ "$LAB_DIR/lv2" 2 "$LAB_URI2"
}

lab_libvirtd_up_() { # FOLDER SUFFIX URI
    lab_until 60 "virsh -q -c '$3' version </dev/null >/dev/null" "libvirtd$2" ||
        { lab_fail "libvirtd$2 did not start: $(tail -n 2 "$1/log/libvirtd.err" "$1/log/libvirtd.log" 2>/dev/null | tr '\n' ' ')"; return 1; }
}

# lab_libvirtd_again [SUFFIX] - starts it once more, where the one before was ended. Its guests run on.
lab_libvirtd_again() {
    local lv=$LAB_DIR/lv${1:-} tcp=()
    [ -z "${LAB_LIBVIRT_TCP:-}" ] || tcp=(--listen)
    rm -f "$lv/libvirtd.pid"
    lab_spawn "libvirtd${1:-}" "$lv/log/libvirtd.err" unshare -m --propagation private sh "$lv/ns.sh" \
        libvirtd --config "$lv/libvirtd.conf" --pid-file "$lv/libvirtd.pid" "${tcp[@]}"
}

lab_libvirtd_() { # FOLDER SUFFIX
    local t lv=$1
    for t in libvirtd virsh unshare; do
        command -v "$t" >/dev/null || [ -x "/usr/sbin/$t" ] || { lab_skip "$t is missing: install libvirt-daemon and libvirt-clients"; return; }
    done
    [ "$(id -u)" = 0 ] || { lab_skip "the lab's libvirtd needs root (a private mount namespace)"; return; }
    unshare -m true 2>/dev/null || { lab_skip "no mount namespaces here: run in a less confined container"; return; }
    mkdir -p "$lv"/{run,lib,cache,log,etc/qemu,sock} "$LAB_CACHE/libvirt-qemu-caps"
    cat >"$lv/libvirtd.conf" <<EOC
unix_sock_dir = "$lv/sock"
auth_unix_ro = "none"
auth_unix_rw = "none"
unix_sock_rw_perms = "0700"
log_outputs = "2:file:$lv/log/libvirtd.log"
host_uuid = "$(lab_uuid "lab host$2")"
keepalive_interval = -1
EOC
    # The first port is for whoever asks LAB_LIBVIRT_TCP for it: without a password, loopback only.
    [ -z "${LAB_LIBVIRT_TCP:-}" ] || cat >>"$lv/libvirtd.conf" <<EOC
listen_tls = 0
listen_tcp = 1
listen_addr = "127.0.0.1"
tcp_port = "$LAB_LIBVIRT_TCP"
auth_tcp = "none"
EOC
    cat >"$lv/etc/qemu.conf" <<EOC
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
namespaces = []
cgroup_controllers = []
seccomp_sandbox = 0
stdio_handler = "$([ "${LAB_VIRTLOGD:-yes}" = yes ] && echo logd || echo file)"
max_core = 0
EOC
    cat >"$lv/virtlogd.conf" <<EOC
log_outputs = "2:file:$lv/log/virtlogd.log"
EOC
    cat >"$lv/ns.sh" <<EOC
set -e
mkdir -p /run/libvirt /var/lib/libvirt /var/cache/libvirt /var/log/libvirt /etc/libvirt
mount --bind "$lv/run" /run/libvirt
mount --bind "$lv/lib" /var/lib/libvirt
mount --bind "$lv/cache" /var/cache/libvirt
mkdir -p /var/cache/libvirt/qemu/capabilities
mount --bind "$LAB_CACHE/libvirt-qemu-caps" /var/cache/libvirt/qemu/capabilities
mount --bind "$lv/log" /var/log/libvirt
mount --bind "$lv/etc" /etc/libvirt
PATH=\$PATH:/usr/sbin
exec "\$@"
EOC
    lab_libvirtd_again "$2" || return 1
    [ "${LAB_VIRTLOGD:-yes}" = yes ] || return 0
    # In the namespace of the first: libvirtd looks for its socket when a guest starts.
    lab_until 10 "test -S '$lv/sock/libvirt-sock'" "libvirtd$2"
    lab_spawn "virtlogd$2" "$lv/log/virtlogd.err" nsenter -m -t "$(lab_pid "libvirtd$2")" \
        virtlogd --config "$lv/virtlogd.conf" --pid-file "$lv/virtlogd.pid" || return 1
    lab_until 10 "test -S '$lv/run/virtlogd-sock'" "virtlogd$2" || { lab_fail "virtlogd$2 did not start: see $lv/log"; return 1; }
}

lab_virsh() { virsh -q -c "$LAB_URI" "$@" </dev/null; }

# lab_start_libvirt NAME [OPTION=VALUE]... - a guest of the lab's libvirtd.
lab_start_libvirt() {
    local name=$1 o_kernel o_profile o_sysrq o_smp o_mem o_machine o_consoles o_disk o_net o_noisy o_append
    local o_cpu o_kind o_log o_serial o_args o_agent o_sshd o_pvpanic o_watchdog o_quiet o_incoming
    local o_port o_start o_standin o_vmcoreinfo o_system o_shell_consoles='' o_sysdisk='' img_kernel img_initrd uuid g log w cpu f
    local o_devices o_crash
    shift
    lab_options "$@" || return
    [ -n "$LAB_DIR" ] || { lab_fail "call lab_init first"; return 1; }
    [ -e "$LAB_DIR/g/$name" ] && { lab_fail "a guest '$name' exists already: lab_stop it first"; return 1; }
    lab_image "$o_kernel" "$o_agent" "$o_sshd" || return
    lab_libvirt_start || return
    uuid=$(lab_uuid "$name")
    g=$LAB_DIR/g/$name
    log=$g/console.log
    o_consoles=${o_consoles:-ttyS0}
    mkdir -p "$g"
    printf '%s\n' "$@" >"$g/options"
    : >"$log"
    if [ "$o_net" != no ] && [ -z "$o_port" ]; then o_port=$("$LAB_TOOL" freeport); fi
    {
        echo "launcher=libvirt"; echo "uuid=$uuid"; echo "domain=$name"; echo "log=$log"; echo "ctl=$g/ctl"
        echo "port=$o_port"; echo "disk=$o_disk"; echo "kernel=$o_kernel"; echo "vmlinuz=$img_kernel"
        echo "systemmap=${img_kernel/vmlinuz-/System.map-}"; echo "mem=$o_mem"
        case $o_serial in unix) echo "cons=$g/cons" ;; esac
    } >"$g/env"
    lab_system "$name" || return
    cpu=${o_cpu%%,*}
    {
        cat <<EOX
<domain type='$([ "$LAB_ACCEL" = kvm ] && echo kvm || echo qemu)' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>$name</name><uuid>$uuid</uuid>
  <memory unit='MiB'>$o_mem</memory><vcpu>$o_smp</vcpu>
  <os><type arch='x86_64' machine='${o_machine:-q35}'>hvm</type>
    <kernel>$img_kernel</kernel><initrd>$img_initrd</initrd><cmdline>$(lab_cmdline)</cmdline></os>
  <features><acpi/><apic/>$([ "$o_vmcoreinfo" = no ] || echo "<vmcoreinfo state='on'/>")</features>
EOX
        if [ "$cpu" = host ]; then
            echo "  <cpu mode='host-passthrough'/>"
        else
            echo "  <cpu mode='custom' match='exact' check='none'><model fallback='forbid'>$cpu</model>"
            for f in $(echo "${o_cpu#"$cpu"}" | tr ',' ' '); do
                case $f in
                    -*) echo "    <feature policy='disable' name='${f#-}'/>" ;;
                    +*) echo "    <feature policy='force' name='${f#+}'/>" ;;
                esac
            done
            echo "  </cpu>"
        fi
        cat <<EOX
  <on_poweroff>destroy</on_poweroff><on_reboot>restart</on_reboot><on_crash>$o_crash</on_crash>
  <devices>
    <emulator>$(command -v "$LAB_QEMU")</emulator>
    <controller type='usb' model='none'/>
    <memballoon model='virtio'/>
EOX
        # Without a virtlogd the log would be QEMU's own to write: libvirt then refuses the element
        # for nobody, so it stays the same in both.
        w="<log file='$log' append='on'/>"
        case $o_log in no) w= ;; esac
        case $o_serial in
            pty) echo "    <serial type='pty'>$w<target port='0'/></serial>" ;;
            unix) echo "    <serial type='unix'><source mode='bind' path='$g/cons'/>$w<target port='0'/></serial>" ;;
            file) echo "    <serial type='file'><source path='$log'/><target port='0'/></serial>" ;;
            *) echo "lab: serial=$o_serial: pty, unix or file" >&2 ;;
        esac
        case ,$o_consoles, in
            *,hvc0,*) echo "    <console type='pty'><target type='virtio' port='1'/></console>" ;;
        esac
        echo "    <channel type='unix'><source mode='bind' path='$g/ctl'/><target type='virtio' name='lab.ctl'/></channel>"
        if [ "$o_agent" != no ]; then
            echo "    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
        fi
        if [ "$o_pvpanic" != no ]; then echo "    <panic model='isa'/>"; fi
        if [ "$o_watchdog" != no ]; then
            echo "    <watchdog model='i6300esb' action='$([ "$o_watchdog" = yes ] && echo none || echo "$o_watchdog")'/>"
        fi
        if [ -n "$o_disk" ]; then
            echo "    <disk type='file' device='disk'><driver name='qemu' type='raw' cache='writeback'/><source file='$o_disk'/><target dev='vda' bus='virtio'/></disk>"
        fi
        if [ -n "$o_sysdisk" ]; then
            echo "    <disk type='file' device='disk'><driver name='qemu' type='qcow2' cache='unsafe'/><source file='$o_sysdisk'/><target dev='vdb' bus='virtio'/><serial>labroot</serial></disk>"
        fi
        if [ -n "$o_devices" ]; then cat "$o_devices"; fi
        echo "  </devices>"
        echo "  <qemu:commandline>"
        # libvirt 9.0 has no port forward of its own without passt. The address keeps out of the way
        # of those that libvirt hands out.
        if [ "$o_net" != no ]; then
            for w in -netdev "user,id=labnet,hostfwd=tcp:127.0.0.1:$o_port-:22" \
                -device virtio-net-pci,netdev=labnet,mac=02:16:3e:00:00:02,romfile=,addr=0x1e; do
                echo "    <qemu:arg value='$w'/>"
            done
        fi
        for w in $o_args; do echo "    <qemu:arg value='$w'/>"; done
        echo "  </qemu:commandline>"
        echo "</domain>"
    } >"$g/domain.xml"
    lab_virsh define "$g/domain.xml" >/dev/null || { lab_fail "libvirt refused $g/domain.xml"; return 1; }
    [ "$o_start" = yes ] || return 0
    lab_virsh start "$name" >/dev/null ||
        { lab_fail "libvirt did not start '$name': see $LAB_DIR/lv/log/qemu/$name.log"; lab_stop "$name"; return 1; }
    lab_adopt "guest.$name" "$(cat "$LAB_DIR/lv/run/qemu/$name.pid")" || return 1
    if [ "$o_serial" = pty ]; then lab_set "$name" cons "$(lab_virsh ttyconsole "$name" | grep .)"; fi
    return 0
}
