#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# hangdog bundle: redact (nothing that names somebody is left in any member, the same under the same key, its digests good, its
# page made anew), grep, diff, verify of a bundle that is cut off, and archives that mean ill.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/lib/functions.sh"
requires jq
requires zstd
requires tar
tmpdir
hangdog=$HANGDOG_BUILD/hangdog
export HANGDOG_LIBEXEC=$HANGDOG_BUILD TMPDIR=$tmpdir
cd "$tmpdir" || exit 1
die() {
    echo "FAIL: $*" >&2
    exit 1
}
set -o pipefail
ok() { echo "ok: $*"; }
code() { # WANTED COMMAND...
    local want=$1 got=0
    shift
    "$@" >out 2>err || got=$?
    [ "$got" = "$want" ] || die "exit $got instead of $want: $*: $(cat out err)"
}

inc='{"schema":"hangdog/incident/1","id":"11111111-2222-4333-8444-555555555555",
 "incarnation":{"uuid":"aaaaaaaa-2222-4333-8444-555555555555","pid":1,"start_time":2,"boot":0},
 "guest":"web-1","scenario":"web","code":"silent","reason":"no answer from 10.20.30.40","phase":"packed","end":"not-ended",
 "verdict":{"class":"unknown","confidence":"low","sentence":"x","next":"y"}}'
pack() { # FILE FOLDER: manifest first, as far as it is looked at
    tar -C "$2" -cf - manifest.json $(cd "$2" && find . -type f ! -name manifest.json | sed 's,^\./,,' | LC_ALL=C sort) |
        zstd -q -f -o "$1"
}
mkdir -p b/console b/net b/host
printf '{"schema":"hangdog/bundle/1","host":{"name":"edge-till-7"},"incident":%s,"facts":[
 {"name":"net.ip","source":"eve","value":"10.20.30.40","time_ms":5},{"name":"host.load1","source":"host","value":1.5,"time_ms":5}],
 "ladder":[{"facet":"vmm","state":"alive"}],"collectors":[{"name":"net","files":["net/10.20.30.40.txt"]}],
 "missing":[{"path":"x","reason":"y"}],"gaps":[{"what":"z","why":"10.20.30.41 is down"}],
 "files":[{"path":"inside/Gretel77.txt","modified":"2026-02-03T04:05:06.000Z"}]}' "$inc" >b/manifest.json
printf '%s' "$inc" >b/incident.json
cat >b/console/tail.log <<'EOT'
systemd[1]: Hostname set to <shop-till-9>.
shop-till-9 sshd[1]: Accepted publickey for gretel77 from 10.20.30.42 port 5
eth0: 02:16:3e:12:34:56 inet6 2a00:1450:4001:81b::200e fe80::16:3eff:fe12:3456
Linux version 6.1.0.13 on 127.0.0.1 at 12:27:05
curl -H 'Authorization: Bearer abcdef.ghijkl' http://u:hunter2@db.acme.local/?password=hunter3
-----BEGIN RSA PRIVATE KEY-----
MIIEowIBAAKCAQEAsecret
-----END RSA PRIVATE KEY-----
mail gretel77@shop.acme.com ; cat /home/gretel77/x
on edge-till-7
EOT
printf 'raw \033[1m10.20.30.40\n' >b/console/tail.raw
printf 'a\0b' >b/host/bytes
echo "nothing to see" >b/host/plain
mkdir b/inside
echo one >b/inside/Gretel77.txt
echo two >b/inside/gretel77.txt
echo "10.20.30.40 to 10.20.30.41" >b/net/10.20.30.40.txt
pack in.tar.zst b
printf 'a key that nobody knows of\n' >key
chmod 600 key

code 0 "$hangdog" bundle redact in.tar.zst -o out.tar.zst --key key
grep -q '^redact members=9 left_out=2 replaced=[1-9][0-9]* key=[0-9a-f]\{16\}$' out || die "what it says: $(cat out)"
code 0 "$hangdog" bundle verify out.tar.zst
code 0 "$hangdog" bundle extract out.tar.zst x
for gone in 10.20.30.4 02:16:3e:12:34:56 2a00:1450 12:3456 shop-till-9 edge-till-7 gretel77 hunter abcdef.ghijkl MIIE acme; do
    if grep -rqiF -- "$gone" x || find x -name "*$gone*" | grep -q .; then
        die "$gone is still there: $(grep -rniF -- "$gone" x | head -3)"
    fi
done
cmp -s x/host/plain b/host/plain || die "a file with nothing in it was changed"
grep -q 'Linux version 6.1.0.13 on 127.0.0.1 at 12:27:05' x/console/tail.log || die "what names nobody was changed"
[ "$(wc -l <x/console/tail.log)" = "$(wc -l <b/console/tail.log)" ] || die "lines went"
[ ! -e x/console/tail.raw ] && [ ! -e x/host/bytes ] || die "bytes that are no text went out"
grep -q '<html' x/index.html || die "no page"
jq -e '.redaction.mode == "pseudonyms" and .redaction.ruleset == "hangdog" and .redaction.counts.ipv4 > 3
    and (.redaction.key | length) == 16 and .redaction.counts["secret.private-key"] == 1
    and ([.gaps[] | select(.what == "console/tail.raw")] | length) == 1 and ([.gaps[] | select(.what == "x")] | length) == 1
    and ([.files[] | select(.path == "console/tail.log")][0].redactions > 8)' x/manifest.json >/dev/null || die "the manifest"
# Two names that become one are two files; each was written when it was.
[ "$(cat x/inside/user-*.txt | sort | tr '\n' ' ')" = "one two " ] || die "one of two files: $(ls x/inside)"
one=$(grep -l one x/inside/*)
[ "$(jq -r --arg p "${one#x/}" '.files[] | select(.path == $p) | .modified' x/manifest.json)" = 2026-02-03T04:05:06.000Z ] ||
    die "not when it was written"
(cd x && sha256sum -c SHA256SUMS >/dev/null) || die "SHA256SUMS"
ip=$(jq -r '.facts[0].value' x/manifest.json)
grep -q "from ${ip%.*}" x/console/tail.log && [ -e "x/net/$ip.txt" ] || die "not the same everywhere: $ip"
code 0 "$hangdog" bundle redact in.tar.zst -o again.tar.zst --key key
"$hangdog" bundle cat again.tar.zst console/tail.log | cmp -s - x/console/tail.log || die "not the same under the same key"
echo "another key, twenty bytes" >key2
chmod 600 key2
code 0 "$hangdog" bundle redact in.tar.zst -o other.tar.zst --key key2
"$hangdog" bundle cat other.tar.zst console/tail.log | cmp -s - x/console/tail.log && die "the key changes nothing"
ok "a bundle is redacted"

code 2 "$hangdog" bundle redact in.tar.zst -o out.tar.zst --key key # it is there
chmod 644 key2
code 2 "$hangdog" bundle redact in.tar.zst -o o2.tar.zst --key key2
code 2 "$hangdog" bundle redact in.tar.zst
code 0 "$hangdog" bundle redact in.tar.zst --dry-run --key key
printf '{"schema":"hangdog/redact-rules/1","name":"ours","words":[{"as":"hostname","word":"nothing"}]}' >rules.json
code 0 "$hangdog" bundle redact in.tar.zst -o ours.tar.zst --key key --rules rules.json
"$hangdog" bundle cat ours.tar.zst host/plain | grep -q '^host-[0-9a-f]* to see$' || die "rules of one's own"
echo '{"schema":"hangdog/redact-rules/1"' >bad.json
code 2 "$hangdog" bundle redact in.tar.zst -o bad.tar.zst --key key --rules bad.json
[ ! -e bad.tar.zst ] || die "a bundle in spite of bad rules"
[ -z "$(find . -maxdepth 1 -name 'hangdog-bundle.*')" ] || die "folders were left behind"
# The host's own key is made once.
mkdir state
code 0 "$hangdog" bundle redact in.tar.zst -o s1.tar.zst --state state
[ "$(stat -c %a state/redact.key)" = 600 ] || die "the host's key"
code 0 "$hangdog" bundle redact in.tar.zst -o s2.tar.zst --state state
cmp -s <("$hangdog" bundle cat s1.tar.zst console/tail.log) <("$hangdog" bundle cat s2.tar.zst console/tail.log) ||
    die "the host's key is not kept"
ok "keys, rules, and what is refused"

# Text without an end in a value of the manifest, and more names than there is place for.
cp -r b h
jq '.incident.verdict.sentence = "-----BEGIN PRIVATE KEY----- x" | .token = 12345' b/manifest.json >h/manifest.json
seq -f /home/made%g/ 1200 >h/console/a.log
echo '/home/zoltan9/x' >h/host/users
echo 'zoltan9 was here' >h/inside/who
pack h.tar.zst h
code 0 "$hangdog" bundle redact h.tar.zst -o h2.tar.zst --key key
code 0 "$hangdog" bundle extract h2.tar.zst y
grep -rq zoltan9 y && die "who prints names keeps the host's from being known"
jq -e '.redaction.counts.names_not_learnt > 100 and .incident.verdict.sentence == "-----BEGIN PRIVATE KEY-----[redacted]"
    and .incident.verdict.next == "y" and .token == "[redacted]"' y/manifest.json >/dev/null || die "the manifest of h"
code 0 "$hangdog" bundle redact h.tar.zst -o h3.tar.zst --key key --strict
code 0 "$hangdog" bundle ls h3.tar.zst
grep -q host/users out || die "the host's own went"
grep -q 'console/\|inside/' out && die "names that nobody knows go out"
ok "what a guest says holds nothing back"

code 0 "$hangdog" bundle grep -i 'LINUX VERSION' in.tar.zst
[ "$(cat out)" = "console/tail.log:4: Linux version 6.1.0.13 on 127.0.0.1 at 12:27:05" ] || die "grep: $(cat out)"
code 0 "$hangdog" bundle grep --member 'console/*' -c '10\.20' in.tar.zst
[ "$(cat out)" = "$(printf 'console/tail.log:1\nconsole/tail.raw:1')" ] || die "grep -c: $(cat out)"
code 0 "$hangdog" bundle grep -l '10\.20' in.tar.zst again.tar.zst in.tar.zst
[ "$(sort -u out | head -1)" = "in.tar.zst:console/tail.log" ] || die "grep -l: $(cat out)"
code 0 "$hangdog" bundle grep raw in.tar.zst --json
jq -se '[.[] | select(.member == "console/tail.raw" and .line == 1)] | length == 1' out >/dev/null || die "grep --json"
code 0 "$hangdog" bundle grep '^raw' in.tar.zst
grep -q $'\e' out && die "the guest's bytes reach the terminal"
code 3 "$hangdog" bundle grep nowhere in.tar.zst
code 2 "$hangdog" bundle grep '(' in.tar.zst
ok "grep"

code 0 "$hangdog" bundle diff in.tar.zst in.tar.zst
cp -r b c
jq '.incident.verdict.class = "slow" | .ladder[0].state = "dead" | .facts[1].value = 3 | .facts[0].value = "1.2.3.4"
    | .files += [{"path":"only"}]' b/manifest.json >c/manifest.json
pack c.tar.zst c
code 3 "$hangdog" bundle diff in.tar.zst c.tar.zst
for line in '^diff differences=4$' '^  class: unknown | slow$' '^  vmm: alive | dead$' '^  only: - | only$' 'net.ip (eve)'; do
    grep -q -- "$line" out || die "diff: no $line in $(cat out)"
done
grep -q load1 out && die "numbers without --all"
code 3 "$hangdog" bundle diff in.tar.zst c.tar.zst --all --json
jq -se 'length == 5 and ([.[] | select(.about == "fact")] | length) == 2' out >/dev/null || die "diff --json"
ok "diff"

size=$(stat -c %s out.tar.zst)
head -c $((size * 6 / 10)) out.tar.zst >torn.tar.zst
code 3 "$hangdog" bundle verify torn.tar.zst
grep -q 'manifest.json$' out && grep -q ' missing ' out && grep -q '^verify members=[0-9]* bad=[1-9][0-9]* torn=yes$' out ||
    die "a torn one: $(cat out err)"
code 5 "$hangdog" bundle ls torn.tar.zst
grep -q ' ok  *manifest.json$' out && grep -q '^hangdog: ' err || die "ls of a torn one: $(cat out err)"
code 5 "$hangdog" bundle cat torn.tar.zst manifest.json
code 5 "$hangdog" bundle grep schema torn.tar.zst
grep -q '^manifest.json:' out || die "grep of a torn one: $(cat out err)"
code 5 "$hangdog" bundle extract torn.tar.zst half
cmp -s half/manifest.json x/manifest.json && grep -q '^extract files=' out || die "extract of a torn one: $(cat out err)"
code 2 "$hangdog" bundle diff torn.tar.zst out.tar.zst
code 2 "$hangdog" bundle redact torn.tar.zst -o t.tar.zst --key key
[ "$(grep -c 'ends before its end' err)" = 1 ] || die "it is said twice: $(cat err)"
code 5 "$hangdog" report torn.tar.zst -o page.html
grep -q 'role="alert"><strong>This bundle is damaged' page.html || die "the page of a torn one does not say so"
code 5 "$hangdog" report torn.tar.zst -o page.html --json
jq -e '.report == "page.html" and .bundle == "torn.tar.zst" and (.damaged | test("ends before its end"))' out >/dev/null || die "report --json: $(cat out)"
code 0 "$hangdog" report out.tar.zst -o page.html
grep -q 'role="alert"' page.html && die "a whole one is called damaged"
ok "a bundle that is cut off tells what is whole"

# Bytes in its midst are flipped.
cp out.tar.zst flip.tar.zst
printf '\377\377\377\377' | dd of=flip.tar.zst bs=1 seek=$((size * 6 / 10)) conv=notrunc status=none
code 3 "$hangdog" bundle verify flip.tar.zst
grep -qE ' (damaged|incomplete|differs) ' out && ! grep -q ' missing ' out || die "what is damaged: $(cat out)"
code 5 "$hangdog" report flip.tar.zst -o page.html
grep -q 'This bundle is damaged' page.html || die "the page of a flipped one does not say so"
: >empty
echo hello >hello
for f in empty hello; do
    for word in show ls verify; do code 2 "$hangdog" bundle $word $f; done
    grep -q 'what came before\|before its end' err && die "$f: $(cat err)"
done
ok "what is damaged and what is none"

# ---- words for people, rows for programmes ----
code 2 "$hangdog" bundle cat out.tar.zst nosuch
grep -q 'no member "nosuch"' err || die "a member that is not there: $(cat err)"
code 2 "$hangdog" bundle extract out.tar.zst x
grep -q 'x is there already' err || die "a folder that is there: $(cat err)"
code 0 "$hangdog" bundle show in.tar.zst --json
jq -se 'length == 1 and .[0].id == "11111111-2222-4333-8444-555555555555"' out >/dev/null || die "show --json: $(cat out)"
code 1 "$hangdog" report in.tar.zst -o /nosuch/x
code 2 "$hangdog" report in.tar.zst --json
code 0 "$hangdog" bundle redact in.tar.zst --dry-run --key key
# Of a sanitizer, which the jail keeps from looking for leaks, a line may stand there, too.
[ "$(grep -v '^==' err)" = "BEGIN in.tar.zst
OK in.tar.zst nothing was written" ] || die "how far it is: $(cat err)"
ok "what is said"

# ---- archives that mean ill: nothing is made outside of the folder, and it ends ----
evil() { # NAME: what is in e/, packed by tar with the options behind it
    local name=$1
    shift
    tar -cf "$name" "$@" 2>/dev/null || die "no $name"
}
mkdir e && cd e || exit 1
echo x >f
ln -s /etc/passwd link
ln f hard
mkfifo fifo
truncate -s 3G sparse
evil ../dotdot.tar --transform 's,^f,../../f,' f
evil ../absolute.tar -P --transform "s,^f,$tmpdir/absolute," f
evil ../link.tar link
evil ../hard.tar f hard
evil ../fifo.tar fifo
evil ../sparse.tar -S sparse
evil ../twice.tar f f
evil ../control.tar --transform $'s,^f,a\e[31mb,' f
evil ../bidi.tar --transform $'s,^f,a\u202egnp.exe,' f
evil ../deep.tar --transform 's,^f,1/2/3/4/5/6/7/8/9/10/f,' f
evil ../dot.tar --transform 's,^f,.bashrc,' f
mkdir m && (cd m && seq 600 | xargs touch) && evil ../many.tar m
cd .. || exit 1
truncate -s 300M zeros && tar -cf - zeros | zstd -q -1 >bomb.tar.zst && rm zeros
{ head -c 124 dotdot.tar; printf '77777777777\0'; tail -c +137 dotdot.tar; } >lies.tar
rm -r e
foreign=no
[ -x "$HANGDOG_BUILD/hangdog-parser-foreign" ] && foreign=yes
for f in dotdot absolute link hard fifo sparse twice control bidi deep dot many lies; do
    [ $foreign = yes ] || continue
    got=0
    timeout 20 "$hangdog" bundle extract $f.tar "into-$f" >out 2>err || got=$?
    [ $got = 2 ] || [ $got = 1 ] || [ $got = 5 ] || die "$f was taken: $got $(cat out err)"
    [ ! -e "into-$f" ] || [ -z "$(find "into-$f" ! -type f ! -type d)" ] || die "$f made what is no file"
done
timeout 60 "$hangdog" bundle extract bomb.tar.zst into-bomb >out 2>err && die "a bomb was taken"
[ ! -e absolute ] && [ ! -e ../f ] && [ ! -e f ] || die "something was made outside"
[ "$(du -s --apparent-size -k into-* | awk '{n += $1} END {print n}')" -lt 4096 ] || die "they take the disk"
ok "archives that mean ill"

# ---- what lies beside it: told of, and compared where it is; by its name alone, whatever path a bundle names ----
mkdir -p beside/b beside/elsewhere && cd beside || exit 1
printf 'memory of a guest' >web.core
sum=$(sha256sum web.core | cut -d' ' -f1)
attach() { # NAME BYTES SUM
    printf '{"schema":"hangdog/bundle/1","files":[],"attachments":[{"name":"%s","path":"%s/secret","bytes":%s,"sha256":"%s",
        "send":"never"}]}' "$1" "$tmpdir" "$2" "$3" >b/manifest.json
    tar -C b -cf - manifest.json | zstd -q -f -o a.tar.zst
}
attach web.core 17 "$sum"
code 0 "$hangdog" bundle ls a.tar.zst
grep -q '^ *17  attached   web.core (beside the bundle; sent: never)$' out || die "ls: $(cat out)"
code 0 "$hangdog" bundle verify a.tar.zst
grep -q '^ *17  ok         web.core ' out && grep -q ' bad=0 attachments=1 elsewhere=0$' out || die "verify: $(cat out)"
code 0 "$hangdog" bundle verify a.tar.zst --attachments elsewhere
grep -q '^ *17  elsewhere  web.core ' out && grep -q ' bad=0 attachments=1 elsewhere=1$' out || die "verify of one that is elsewhere: $(cat out)"
"$hangdog" bundle verify a.tar.zst --json | jq -e 'select(.op == "attachment") | .state == "ok"' >/dev/null || die "verify --json"
printf 'memory of A guest' >web.core
code 3 "$hangdog" bundle verify a.tar.zst
grep -q '^ *17  differs    web.core ' out || die "verify of one that differs: $(cat out)"
printf 'memory of a guest' >elsewhere/web.core
code 0 "$hangdog" bundle verify a.tar.zst --attachments elsewhere
printf 'more' >>elsewhere/web.core
code 3 "$hangdog" bundle verify a.tar.zst --attachments elsewhere
# An option of another's usage is not ignored, nor called what it is not.
code 2 "$hangdog" bundle ls a.tar.zst --attachments elsewhere
grep -q '"--attachments" is not for bundle ls (see' err || die "ls --attachments: $(cat err)"
code 2 "$hangdog" bundle
[ "$(awk 'length > 80' err | wc -l)" = 0 ] && grep -q '^ *ls FILE |$' err || die "its usage: $(cat err)"
code 2 "$hangdog" bundle ls a.tar.zst --strict
grep -q '"--strict" is not for bundle ls (see' err || die "ls --strict: $(cat err)"
code 2 "$hangdog" bundle verify a.tar.zst --attachments elsewhere --attachments b
grep -q '"--attachments" is there twice' err || die "--attachments twice: $(cat err)"
# No folder is no answer. What may not be read, or cannot, is not elsewhere, and does not differ.
code 2 "$hangdog" bundle verify a.tar.zst --attachments nowhere
grep -q 'nowhere' err && [ ! -s out ] || die "verify in a folder that is not there: $(cat out err)"
code 2 "$hangdog" bundle verify a.tar.zst --attachments a.tar.zst
cp web.core elsewhere/web.core && chmod 0 elsewhere/web.core
as_any=() # root may read all; without these two rights he may not
[ "$(id -u)" != 0 ] || as_any=(setpriv "--bounding-set=-dac_override,-dac_read_search")
if ! "${as_any[@]}" cat elsewhere/web.core >out 2>&1 && grep -q denied out; then
    code 1 "${as_any[@]}" "$hangdog" bundle verify a.tar.zst --attachments elsewhere
    grep -q '^ *17  unreadable web.core ' out && grep -q ' bad=0 attachments=1 elsewhere=0 unreadable=1$' out || die "verify of one that may not be read: $(cat out)"
fi
if [ -f /sys/class/net/lo/speed ] && ! cat /sys/class/net/lo/speed >out 2>&1; then
    attach speed "$(stat -c %s /sys/class/net/lo/speed)" "$sum"
    code 1 "$hangdog" bundle verify a.tar.zst --attachments /sys/class/net/lo
    grep -q ' unreadable speed ' out || die "verify of one that cannot be read: $(cat out)"
    attach web.core 17 "$sum"
fi
rm -f elsewhere/web.core
# Neither a link, nor a pipe, nor a name that leads away, nor the path that it names.
printf 'memory of a guest' >../secret
rm web.core && ln -s ../secret web.core
code 0 "$hangdog" bundle verify a.tar.zst
grep -q ' elsewhere  web.core ' out || die "a link was followed: $(cat out)"
rm web.core && mkfifo web.core
code 0 timeout 10 "$hangdog" bundle verify a.tar.zst
attach ../secret 17 "$sum"
code 0 "$hangdog" bundle verify a.tar.zst
grep -q ' elsewhere  ../secret ' out || die "a name led away: $(cat out)"
ok "what lies beside a bundle"
cd ..

# ---- how far it is: nothing of what is done at once, and lines of what is not ----
code 0 "$hangdog" bundle verify out.tar.zst
[ ! -s err ] || die "verify of a small one says how far it is: $(cat err)"

# ---- signed beside it, as docs/bundle.md says: its manifest stands for all of it ----
if command -v openssl >/dev/null && openssl genpkey -algorithm ed25519 -out host.key 2>/dev/null; then
    openssl pkey -in host.key -pubout -out host.pub
    "$hangdog" bundle cat out.tar.zst manifest.json --raw >m || die "cat --raw"
    openssl pkeyutl -sign -rawin -inkey host.key -in m -out sig || die "it cannot be signed"
    code 0 openssl pkeyutl -verify -rawin -pubin -inkey host.pub -in m -sigfile sig
    sed -i 's/pseudonyms/pseudonymS/' m
    code 1 openssl pkeyutl -verify -rawin -pubin -inkey host.pub -in m -sigfile sig
    ok "signed beside it"
fi
