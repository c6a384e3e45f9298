# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
#
# Redaction of a made bundle of 50 MB: text as consoles have it, facts in JSON, and lines that were written to
# make rules work. The whole way, as `hangdog bundle redact` goes it: unpacked, looked through twice, packed.

# redact_bundle NAME: redact/ becomes a bundle and is redacted; sets redact_s (of the processor), redact_mb, redact_peak (MiB, of the
# largest of its processes)
redact_bundle() {
    printf '{"schema":"hangdog/bundle/1","host":{"name":"edge-till-7"},"files":[]}' >"$work/redact/manifest.json"
    (cd "$work/redact" && tar -cf - manifest.json console/*) | zstd -q -1 -f -o "$work/redact.tar.zst"
    redact_mb=$(du -sm --apparent-size "$work/redact" | cut -f1)
    rm -f "$work/redacted.tar.zst"
    TMPDIR=$work HANGDOG_LIBEXEC=$build /usr/bin/time -f '%M %U %S' -o "$work/redact.peak" \
        "$build/hangdog" bundle redact "$work/redact.tar.zst" -o "$work/redacted.tar.zst" --key "$work/redact.key" \
        >"$work/redact.out" 2>"$work/redact.err" || { cat "$work/redact.err"; broken=1; rm -rf "$work/redact"; return 1; }
    redact_s=$(tail -n 1 "$work/redact.peak" | awk '{ print $2 + $3 + 0.01 }')
    # What the shell waits for is told of all that it waited for in turn: the largest.
    redact_peak=$(tail -n 1 "$work/redact.peak" | awk '{ printf "%.0f", $1 / 1024 }')
    rm -rf "$work/redact"
    note "$1: $redact_mb MB in $redact_s s, $redact_peak MiB; $(head -n 1 "$work/redact.out")"
}

if [ -x /usr/bin/time ] && have zstd "redact"; then
    echo "a key that nobody knows of" >"$work/redact.key"
    chmod 600 "$work/redact.key"
    mkdir -p "$work/redact/console"
    for i in $(seq $((${BENCH_REDACT_MB:-50} / 2))); do
        awk -v i="$i" 'BEGIN { while (n < 2000000) {
            l = sprintf("[%5d.%06d] eth0: from 10.%d.%d.%d to host-%d.shop.local, user gretel%d, 02:16:3e:%02x:%02x:01\n",
                n / 100, n, i, n % 250, n % 199, n % 50, n % 9, n % 256, i)
            if (n % 7 == 0) l = sprintf("{\"time_ms\":%d,\"name\":\"net.ip\",\"value\":\"10.2.%d.7\",\"source\":\"eve\"}\n", n, n % 250)
            if (n % 3 == 0) l = sprintf("[%5d.%06d] INFO: task kworker/%d:1 blocked for more than 120 seconds.\n", n / 100, n, n % 8)
            printf "%s", l; n += length(l) } }' >"$work/redact/console/$i.log"
    done
    redact_bundle "text" && promise redact "$(calc "$redact_mb / $redact_s" 1) MB for each second of the processor, of text, facts and addresses, $redact_mb MB in all" \
        "$(calc "$redact_mb / $redact_s" 2)" ">=" 5
    [ -z "${redact_peak-}" ] || promise redact "$redact_peak MiB at the most, the largest process" "$redact_peak" "<=" 64

    # Lines that rules begin on and never end, and one of no end.
    mkdir -p "$work/redact/console"
    awk 'BEGIN { for (n = 0; n < 20000; n++) printf "password=password:://a:b://passwd token=--token curl -u x curl -u %s\n", substr("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", n % 30) }' \
        >"$work/redact/console/rules.log"
    awk 'BEGIN { for (n = 0; n < 400000; n++) printf "curl ://a:" }' >"$work/redact/console/endless.log"
    redact_bundle "hostile" && promise redact "$(calc "$redact_s" 1) s of the processor for $redact_mb MB of lines that mean ill" "$redact_s" "<=" 60
fi
