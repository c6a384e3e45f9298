# shellcheck shell=bash disable=SC2015,SC2034
# SPDX-License-Identifier: Apache-2.0
#
# eve.sh - a piece of lab.sh: guests as EVE's pillar starts them, and what it publishes of them.
# SC2034: options that are declared here are set, and some used, by functions of lab.sh (bash's scope is dynamic).

lab_json() { # FILE: stdin, written as pillar's pubsub writes it
    mkdir -p "$(dirname "$1")" && chmod 700 "$(dirname "$1")"
    cat >"$1.tmp" && mv "$1.tmp" "$1"
}

# lab_eve_publish NAME [STATE [CRASHSTATE]] - the pubsub files about a guest. STATE is the SwState number:
# 115 running (default), 114 booting, 117 paused, 119 halted, 120 broken.
lab_eve_publish() {
    local name=$1 state=${2:-115} crash=${3:-0} uuid domain pid kind mode=1 cont=false
    uuid=$(lab_get "$name" uuid)
    domain=$(lab_get "$name" domain)
    kind=$(lab_get "$name" kind)
    pid=$(lab_pid "guest.$name") || pid=0
    [ "$kind" = container ] && { cont=true; mode=0; }
    local ver="\"UUIDandVersion\":{\"UUID\":\"$uuid\",\"Version\":\"1\"},\"DisplayName\":\"$name\""
    local fixed="{\"Memory\":262144,\"VCpus\":2,\"VirtualizationMode\":$mode,\"DisableLogs\":false,\"EnableVnc\":false}"
    local vif="\"Bridge\":\"bn1\",\"Vif\":\"nbu1x1\",\"VifUsed\":\"nbu1x1\",\"Mac\":\"02:16:3e:00:00:01\""
    lab_json "$LAB_RUN/domainmgr/DomainStatus/$uuid.json" <<EOJ
{$ver,"State":$state,"Activated":true,"AppNum":1,"DomainName":"$domain","DomainId":$pid,"BootTime":"$(date -u +%Y-%m-%dT%H:%M:%SZ)","DiskStatusList":[{"FileLocation":"$(lab_get "$name" disk)","Format":1,"DiskType":"hdd","Vdev":"vda","ReadOnly":false}],"VifList":[{$vif}],"VirtualizationMode":$mode,"EnableVnc":false,"DisableLogs":false,"BootFailed":false,"AdaptersFailed":false,"IsContainer":$cont,"CrashState":$crash,"Error":"","TriedCount":0}
EOJ
    lab_json "$LAB_RUN/zedmanager/AppInstanceStatus/$uuid.json" <<EOJ
{$ver,"DomainName":"$domain","Activated":true,"ActivateInprogress":false,"FixedResources":$fixed,"State":$state,"RestartInprogress":0,"PurgeInprogress":0,"Error":""}
EOJ
    lab_json "$LAB_RUN/zedagent/AppInstanceConfig/$uuid.json" <<EOJ
{$ver,"FixedResources":$fixed,"Activate":true,"RestartCmd":{"Counter":0},"PurgeCmd":{"Counter":0},"RemoteConsole":false}
EOJ
    lab_json "$LAB_RUN/zedrouter/AppNetworkStatus/$uuid.json" <<EOJ
{$ver,"AppNum":1,"Activated":true,"PendingAdd":false,"PendingModify":false,"PendingDelete":false,"GetStatsIPAddr":"","AppNetAdapterList":[{"Name":"eth0","Bridge":"bn1","Vif":"nbu1x1","Mac":"02:16:3e:00:00:01","AssignedAddresses":{"IPv4Addrs":[{"Address":"10.0.2.15","AssignedBy":2}],"IPv6Addrs":null},"IPv4Assigned":true}],"Error":""}
EOJ
}

# lab_start_eve NAME [OPTION=VALUE]... - a guest as pillar starts one.
lab_start_eve() {
    local name=$1 o_kernel o_profile o_sysrq o_smp o_mem o_machine o_consoles o_disk o_net o_noisy o_append
    local o_cpu o_kind o_log o_serial o_args o_agent o_sshd o_pvpanic o_watchdog o_quiet o_incoming
    local o_port o_start o_standin o_vmcoreinfo o_system o_shell_consoles='' o_sysdisk='' img_kernel img_initrd img_arch uuid domain dir conf g log out extra=() qemu=$LAB_QEMU rc
    shift
    lab_options "$@" || return
    [ -n "$LAB_DIR" ] || { lab_fail "call lab_init first"; return 1; }
    [ -e "$LAB_DIR/g/$name" ] && { lab_fail "a guest '$name' exists already: lab_stop it first"; return 1; }
    lab_image "$o_kernel" "$o_agent" "$o_sshd" || return
    if [ "$img_arch" = arm64 ]; then
        qemu="qemu-system-aarch64"
        command -v "$qemu" >/dev/null || { lab_skip "$qemu is missing: install qemu-system-arm"; return; }
        # EVE's, too, with what an emulated one has by default.
        o_machine=${o_machine:-virt}
        [ "$o_cpu" = host ] || o_cpu=cortex-a57
    else
        o_machine=${o_machine:-pc-q35-3.1}
        extra+=(-no-hpet)
    fi
    uuid=$(lab_uuid "$name")
    domain=$uuid.1.1
    dir=$LAB_RUN/hypervisor/kvm/$domain
    g=$LAB_DIR/g/$name
    log=$g/console.log
    # As on EVE: both consoles are frontends of one socket, hvc0 is what an application uses; in a
    # container's VM the application writes to hvc0 and the shell is on the shim's own console.
    if [ -z "$o_consoles" ]; then o_consoles=hvc0; fi
    if [ "$o_kind" = container ]; then o_shell_consoles=hvc1; fi
    mkdir -p "$g" "$dir"
    printf '%s\n' "$@" >"$g/options"
    : >"$log"
    if [ "$o_net" != no ] && [ -z "$o_port" ]; then o_port=$("$LAB_TOOL" freeport); fi
    {
        echo "launcher=eve"; echo "kind=$o_kind"; echo "uuid=$uuid"; echo "domain=$domain"; echo "dir=$dir"
        echo "qmp=$dir/qmp"; echo "listener=$dir/listener.qmp"; echo "cons=$dir/cons"; echo "log=$log"
        [ "$o_kind" = container ] && echo "shim=$dir/shim-cons"
        echo "ctl=$g/ctl"; echo "labqmp=$g/qmp"; echo "port=$o_port"; echo "disk=$o_disk"; echo "kernel=$o_kernel"
        echo "vmlinuz=$img_kernel"; echo "systemmap=${img_kernel/vmlinuz-/System.map-}"; echo "mem=$o_mem"
    } >"$g/env"
    lab_system "$name" || return
    conf=$g/qemu.conf
    {
        cat <<EOC
[msg]
  timestamp = "on"
[machine]
  type = "$o_machine"
  dump-guest-core = "off"
EOC
        if [ "$img_arch" = arm64 ]; then echo '  gic-version = "3"'; else echo '  vmport = "off"'; fi
        if [ "$LAB_ACCEL" = kvm ]; then echo '  kernel-irqchip = "on"'; fi
        [ "$img_initrd" = - ] || echo "  initrd = \"$img_initrd\""
        [ "$img_kernel" = - ] || cat <<EOC
  kernel = "$img_kernel"
  append = "$(lab_cmdline)"
EOC
        [ "$img_arch" = arm64 ] || cat <<EOC
[global]
  driver = "ICH9-LPC"
  property = "disable_s3"
  value = "1"
[global]
  driver = "ICH9-LPC"
  property = "disable_s4"
  value = "1"
[rtc]
  base = "localtime"
  driftfix = "slew"
EOC
        cat <<EOC
[chardev "charmonitor"]
  backend = "socket"
  path = "$dir/qmp"
  server = "on"
  wait = "off"
[mon "monitor"]
  chardev = "charmonitor"
  mode = "control"
[chardev "charlistener"]
  backend = "socket"
  path = "$dir/listener.qmp"
  server = "on"
  wait = "off"
[mon "listener"]
  chardev = "charlistener"
  mode = "control"
[chardev "charlab"]
  backend = "socket"
  path = "$g/qmp"
  server = "on"
  wait = "off"
[mon "lab"]
  chardev = "charlab"
  mode = "control"
[memory]
  size = "$o_mem"
[smp-opts]
  cpus = "$o_smp"
  sockets = "1"
  cores = "$o_smp"
  threads = "1"
[device "lab-virtio-serial"]
  driver = "virtio-serial"
  addr = "3"
[chardev "charserial0"]
  backend = "socket"
  mux = "on"
  path = "$dir/cons"
  server = "on"
  wait = "off"
  logfile = "/dev/fd/1"
  logappend = "on"
[device]
  driver = "virtconsole"
  chardev = "charserial0"
  name = "org.lfedge.eve.console.0"
EOC
        if [ "$o_kind" = container ]; then cat <<EOC
[chardev "charserial1"]
  backend = "socket"
  path = "$dir/shim-cons"
  server = "on"
  wait = "off"
  logfile = "/dev/fd/1"
  logappend = "on"
[device]
  driver = "virtconsole"
  chardev = "charserial1"
  name = "org.lfedge.eve.console.shim"
EOC
        fi
        cat <<EOC
[chardev "charlabctl"]
  backend = "socket"
  path = "$g/ctl"
  server = "on"
  wait = "off"
[device]
  driver = "virtserialport"
  chardev = "charlabctl"
  name = "lab.ctl"
EOC
        if [ "$o_net" != no ]; then cat <<EOC
[device "net0"]
  driver = "virtio-net-pci"
  netdev = "hostnet0"
  mac = "02:16:3e:00:00:01"
  romfile = ""
EOC
        fi
        if [ -n "$o_disk" ]; then cat <<EOC
[drive "drive-virtio-disk0"]
  file = "$o_disk"
  format = "raw"
  cache = "writeback"
  if = "none"
[device "virtio-disk0"]
  driver = "virtio-blk-pci"
  drive = "drive-virtio-disk0"
EOC
        fi
        if [ -n "$o_sysdisk" ]; then cat <<EOC
[drive "drive-labroot"]
  file = "$o_sysdisk"
  format = "qcow2"
  cache = "unsafe"
  if = "none"
[device "labroot"]
  driver = "virtio-blk-pci"
  drive = "drive-labroot"
  serial = "labroot"
EOC
        fi
    } >"$conf"
    # -readconfig knows no hostfwd: a port forward is an option of the command line only.
    if [ "$o_net" != no ]; then
        extra+=(-netdev "user,id=hostnet0,hostfwd=tcp:127.0.0.1:$o_port-:22")
    fi
    [ "$LAB_ACCEL" = kvm ] && extra+=(-accel kvm) || extra+=(-accel "tcg,thread=multi")
    # Where the daemon may read it: the lab's -readconfig file is in no folder of EVE's.
    [ "$o_agent" = no ] || extra+=(-chardev "socket,id=qga,path=$dir/qga.sock,server=on,wait=off"
        -device "virtserialport,chardev=qga,name=org.qemu.guest_agent.0")
    [ "$o_pvpanic" = no ] || extra+=(-device pvpanic)
    [ "$o_watchdog" = no ] || extra+=(-device i6300esb)
    [ "$o_vmcoreinfo" = no ] || extra+=(-device vmcoreinfo)
    [ -z "$o_incoming" ] || extra+=(-incoming "exec:cat $o_incoming")
    # shellcheck disable=SC2206 # args= is a list of words
    [ -z "$o_args" ] || extra+=($o_args)
    out=$log
    if [ "$o_log" = pipe ]; then
        # EVE's way: QEMU's stdout is a pipe that somebody else empties. Stop "logpump" and see.
        out=$g/logpipe
        mkfifo "$out"
        lab_spawn "logpump.$name" "$g/logpump.err" sh -c "exec cat <'$out' >>'$log'" || return 1
    fi
    lab_spawn "guest.$name" "$out" "$qemu" -display none -S -no-user-config -nodefaults -no-shutdown \
        -serial chardev:charserial0 -cpu "$o_cpu" -name "$domain" -uuid "$uuid" \
        -readconfig "$conf" -pidfile "$dir/pid" "${extra[@]}" || return 1
    # QEMU makes its pid file before its sockets, and those in the order of the file above.
    lab_until 60 "test -s '$dir/pid' && test -S '$g/ctl'" "guest.$name" ||
        { lab_fail "QEMU did not start for '$name': $(tail -n 3 "$log" | tr '\n' ' ')"; lab_stop "$name"; return 1; }
    if [ "$o_standin" = yes ]; then
        lab_spawn "pillar.$name" "$g/events.json" "$LAB_TOOL" standin "$dir/listener.qmp" || return 1
    fi
    if [ -n "$o_incoming" ]; then
        lab_until 60 "'$LAB_TOOL' qmp '$g/qmp' 5 query-status | grep -qE '\"status\": \"(paused|prelaunch|running|postmigrate)\"'" "guest.$name" ||
            { lab_fail "the saved state did not load for '$name': $(tail -n 3 "$log" | tr '\n' ' ')"; lab_stop "$name"; return 1; }
    fi
    if [ "$o_start" = yes ]; then
        "$LAB_TOOL" qmp "$dir/qmp" 10 cont >/dev/null || { rc=$?; lab_fail "QMP cont failed for '$name'"; lab_stop "$name"; return $rc; }
    fi
    lab_eve_publish "$name"
    return 0
}
