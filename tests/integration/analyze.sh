#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# hangdog analyze: today's rules on a bundle, and an operator's beside them; what is no bundle, or no manifest.
# hangdog rules check and config check: rules of the verdict of one's own.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/lib/functions.sh"
requires jq
requires zstd
requires tar
tmpdir
hangdog=$HANGDOG_BUILD/hangdog
export HANGDOG_LIBEXEC=$HANGDOG_BUILD
cd "$tmpdir" || exit 1
die() {
    echo "FAIL: $*" >&2
    exit 1
}
set -o pipefail
ok() { echo "ok: $*"; }

inc='{"schema":"hangdog/incident/1","id":"11111111-2222-4333-8444-555555555555",
 "incarnation":{"uuid":"aaaaaaaa-2222-4333-8444-555555555555","pid":1,"start_time":2,"boot":0},
 "guest":"web-1\u001b[1m","scenario":"web","code":"silent","reason":"It is silent.","phase":"packed","end":"not-ended",
 "verdict":{"class":"unknown","confidence":"low","sentence":"x","next":"y"}}'
facts='[{"name":"vmm.status","value":"paused (user)","source":"monitor","time_ms":5},
 {"name":"vmm.status","value":"paused","source":"host","time_ms":6},
 {"name":"vcpu.busy","value":2,"source":"host","time_ms":7},
 {"name":3},{"name":"x","source":"y","time_ms":-1,"value":1},"z",null,{"name":"a","source":"b","time_ms":1,"value":[]}]'
pack() { # FILE MANIFEST: a bundle, as far as it is looked at
    printf '%s' "$2" >manifest.json
    echo text >summary.txt
    tar -cf - manifest.json summary.txt | zstd -q -f -o "$1"
}
pack b.tar.zst "{\"incident\":$inc,\"facts\":$facts,\"findings\":[{\"rule\":\"gone\",\"level\":\"warn\",\"says\":\"x\"}]}"

out=$("$hangdog" analyze b.tar.zst) || die "analyze: $?"
grep -q '^verdict=paused confidence=certain incident=1.* changed=yes facts=3$' <<<"$out" || die "the verdict: $out"
grep -q '^It was *unknown, low' <<<"$out" || die "what it was: $out"
grep -q '^  - gone$' <<<"$out" || die "a finding that is gone: $out"
grep -q $'\e' <<<"$out" && die "the guest's bytes reach the terminal"
[ "$("$hangdog" analyze b.tar.zst 2>&1 >/dev/null)" = "BEGIN b.tar.zst
OK b.tar.zst paused" ] || die "how far it is"
"$hangdog" analyze b.tar.zst --json | jq -e '.verdict.class == "paused" and .was.class == "unknown" and .same == false
    and .changed == ["class","culprit","confidence"] and .lost_findings == ["gone"] and .facts == 3
    and .facts_left_out == 5 and (.verdict.evidence | length) == 2' >/dev/null || die "--json"
ok "a bundle is judged by today's rules"

cat >mine.json <<'EOJ'
// a rule of one's own
{ "schema": "hangdog/verdict-rules/1",
  "verdicts": [ { "name": "two-busy", "class": "slow", "confidence": "medium", "if": "vcpu.busy == 2",
                  "says": "{vcpu.busy} vCPUs are busy.", "next": "Look." } ],
  "findings": [ { "name": "busy", "level": "warn", "if": "vcpu.busy > 1", "says": "Busy." } ] }
EOJ
"$hangdog" analyze b.tar.zst --rules mine.json --json |
    jq -se '.[0] | .verdict.class == "slow" and .verdict.rule == "two-busy" and .verdict.sentence == "2 vCPUs are busy."
        and (.new_findings | index("busy"))' >/dev/null || die "--rules"
[ "$("$hangdog" rules check mine.json)" = "ok mine.json: 2 rules of the verdict" ] || die "rules check"
sed 's/vcpu.busy == 2/vcpu.bussy == 2/' mine.json >bad.json
for cmd in "analyze b.tar.zst --rules bad.json" "rules check bad.json"; do
    # shellcheck disable=SC2086
    out=$("$hangdog" $cmd 2>&1) && die "$cmd: taken"
    grep -q 'bad.json:3:[0-9]*: verdicts\[0\].if: .*did you mean "vcpu.busy"' <<<"$out" || die "$cmd: $out"
done
mkdir verdicts.d
cp mine.json verdicts.d/10-mine.json
echo '{ "schema": "hangdog/config/1", "verdicts": ["'"$tmpdir"'/verdicts.d"] }' >config.json
"$hangdog" --config config.json analyze b.tar.zst | grep -q '^verdict=slow ' || die "rules of the configuration"
"$hangdog" --config config.json rules check | grep -q 'ok 1 files: 2 rules of the verdict' || die "rules check of all"
"$hangdog" config check config.json >/dev/null || die "config check of good ones"
cp bad.json verdicts.d/20-bad.json
out=$("$hangdog" config check config.json 2>&1) && die "config check takes a bad one"
grep -q '20-bad.json:3:' <<<"$out" || die "config check: $out"
"$hangdog" --config config.json analyze b.tar.zst 2>/dev/null | grep -q '^verdict=slow ' || die "one bad file costs the others"
ok "rules of an operator's own"

no() { # WHAT FILE: exit code 2, and one line says why, once
    rc=0
    out=$("$hangdog" analyze "$2" 2>&1) || rc=$?
    [ $rc = 2 ] && [ "$(grep -c '^FAIL [^ ]* .' <<<"$out")" = 1 ] && [ "$(wc -l <<<"$out")" = 2 ] || die "$1: $rc $out"
    rc=0
    out=$("$hangdog" analyze "$2" --json 2>&1) || rc=$?
    [ $rc = 2 ] && [[ $out = "hangdog: "* ]] || die "$1: $rc $out"
}
pack none.tar.zst '{"facts":[]}'
no "no incident" none.tar.zst
pack torn.tar.zst '{"incident":'
no "torn JSON" torn.tar.zst
pack many.tar.zst "{\"incident\":$inc,\"facts\":$(jq -cn '[range(3000) | {name:"vcpu.\(.).share",value:0.5,source:"host",time_ms:.}]')}"
"$hangdog" analyze many.tar.zst --json | jq -e '.facts == 1024 and .facts_left_out == 1976' >/dev/null || die "too many facts"
echo nothing >no.tar.zst
no "no archive" no.tar.zst
no "no file" missing.tar.zst
ok "what is no bundle"

# ---- many ----
mkdir -p all/deep/er all/unpacked all/empty
"$hangdog" analyze all 2>err && die "a folder without bundles"
grep -q '^hangdog: all: there is no bundle in it' err || die "a folder without bundles: $(cat err)"
cp b.tar.zst all/b2.tar.zst
cp b.tar.zst all/deep/er/b10.tar.zst
ln -s . all/deep/loop
tar -xf b.tar.zst -C all/unpacked --zstd
out=$("$hangdog" analyze all 2>err) || die "a folder: $? $(cat err)"
[ "$(head -1 <<<"$out")" = "bundles=3 judged=3 changed=3 damaged=0 failed=0" ] || die "a folder: $out"
grep -q '^all/deep/er/b10.tar.zst .* unknown .* paused .* certain' <<<"$out" || die "a row: $out"
grep -q $'\e' <<<"$out" && die "the guest's bytes reach the terminal"
[ "$(head -1 err)" = "BEGIN bundles" ] && grep -q '^OK bundles 3 judged' err || die "how far it is: $(cat err)"
# Behind its manifest one may be torn. Each member is a frame of its own.
head -c 3000000 /dev/urandom >text
printf '{"incident":%s,"facts":%s}' "$inc" "$facts" >manifest.json
tar -cf - manifest.json text | zstd -q -B1048576 -f -o whole.tar.zst
head -c 2000000 whole.tar.zst >all/torn.tar.zst
echo nothing >all/no.tar.zst
rc=0
"$hangdog" analyze all --json >rows 2>err || rc=$?
[ $rc = 5 ] || die "one of them is damaged: $rc"
jq -se 'length == 5 and map(select(.verdict.class == "paused")) == map(select(.verdict)) and map(select(.error)) == [.[2]]
    and .[2].bundle == "all/no.tar.zst" and (map(select(.damaged)) | length) == 1' rows >/dev/null || die "rows: $(cut -c 1-200 rows)"
grep -q '^BEGIN' err && die "--json says how far it is: $(cat err)"
rc=0
"$hangdog" analyze all/torn.tar.zst >out 2>err || rc=$?
[ $rc = 5 ] && grep -q '^verdict=paused ' out && grep -q '^hangdog: all/torn.tar.zst: .*ends before its end' err || die "one that is torn: $rc $(cat err)"
rc=0
"$hangdog" report all/torn.tar.zst -o page.html >out 2>err || rc=$?
[ $rc = 5 ] && grep -q '</html>' page.html && grep -q 'This bundle is damaged' page.html || die "the page of one that is torn: $rc $(cat err)"
mkdir empty && echo '{}' >empty/manifest.json && rc=0
"$hangdog" report empty -o none.html >out 2>err || rc=$?
[ $rc = 2 ] && [ ! -e none.html ] && grep -q 'names no schema and no incident' err || die "the page of a manifest that says nothing: $rc $(cat err)"
"$hangdog" report all/unpacked 2>err | grep -q '</html>' || die "the page of a folder"
[ "$(tail -1 err)" = "OK all/unpacked standard output" ] || die "how far the page is: $(cat err)"
host=$(jq -c '.key = "server nbd 10.0.0.1:10809" | .verdict.class = "storage-stalled"' <<<"$inc")
pack host.tar.zst "{\"incident\":$host,\"children\":[{\"guest\":\"a\"}]}"
"$hangdog" analyze host.tar.zst 2>/dev/null | grep -q '^verdict=storage-stalled .*changed=no' || die "a host's incident is judged anew, without its guests"
ok "many bundles, also damaged ones"
