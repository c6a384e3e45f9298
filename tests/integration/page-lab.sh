#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# page-lab [BUNDLE]... - the page of a bundle as a browser shows it: headless Chromium, a desktop and a phone, light and
# dark, with and without JavaScript. It scrolls nowhere sideways, also with all of its folds open, says nothing on the
# console, asks no network for anything. Pictures stay in the folder that is named at the end (HANGDOG_SHOTS: that one).
#
# Without a BUNDLE one is made: of a real guest in a real deadlock. 77: no chromium, or no lab.
set -u
src=$(cd "${HANGDOG_SRC:-${srcdir:-.}}" && pwd)
build=${HANGDOG_BUILD:-$PWD}
export HANGDOG_SRC=$src HANGDOG_BUILD=$build HANGDOG_LIBEXEC=$build
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome) ||
    { echo "skipped: no chromium (packaging/install-deps lab-long)" >&2; exit 77; }
command -v jq >/dev/null || { echo "skipped: no jq" >&2; exit 77; }
shots=${HANGDOG_SHOTS:-$(mktemp -d /tmp/hangdog-shots.XXXXXX)}
mkdir -p "$shots" || exit 1
dir=$(mktemp -d) || exit 1
pid=''
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null; wait 2>/dev/null; rm -rf "$dir"' EXIT
trap 'exit 143' INT TERM
failed=0
fail() { echo "FAIL: $*" >&2; failed=1; }
die() { echo "FAIL: $*" >&2; exit 1; }

# ---- the bundles ----
if [ $# = 0 ]; then
    bash "$src/tests/zoo/run" --jobs 1 --keep --out "$dir/zoo" abba >"$dir/zoo.log" 2>&1
    [ $? != 77 ] || { tail -n 2 "$dir/zoo.log" >&2; exit 77; }
    mapfile -t bundles < <(find "$dir/zoo/kept" -name '*.tar.zst')
    [ ${#bundles[@]} -gt 0 ] || { tail "$dir/zoo.log" >&2; die "no bundle"; }
    set -- "${bundles[@]}"
fi

# ---- the browser, by its pipe: orders and answers are JSON, each with a NUL behind it ----
mkfifo "$dir/to" "$dir/from"
"$browser" --headless=new --no-sandbox --disable-gpu --hide-scrollbars --no-first-run --remote-debugging-pipe \
    --user-data-dir="$dir/profile" about:blank 3<"$dir/to" 4>"$dir/from" >"$dir/log" 2>&1 &
pid=$!
exec {to}>"$dir/to" {from}<"$dir/from"
n=0 session='' heard=$dir/heard
: >"$heard"
hear() { # the next message, in $said; what is no answer is kept in $heard
    IFS= read -r -d '' -t 120 -u "$from" said || die "the browser says nothing more: $(tail -n 3 "$dir/log")"
    case $said in '{"id":'*) ;; *) printf '%s\n' "$said" >>"$heard" ;; esac
}
ask() { # METHOD [PARAMS]: the answer in $said
    local params=${2:-'{}'}
    n=$((n + 1))
    printf '{"id":%d,%s"method":"%s","params":%s}\0' $n "${session:+\"sessionId\":\"$session\",}" "$1" "$params" >&"$to"
    hear
    until [[ $said == '{"id":'$n,* ]]; do hear; done
    case $said in *'"error":{'*) die "$1: ${said:0:300}" ;; esac
}
await() { # EVENT: has come, or comes
    until grep -qF "\"method\":\"$1\"" "$heard"; do hear; done
}
get() { jq -r "$1" <<<"$said"; }

ask Target.createTarget '{"url":"about:blank"}'
ask Target.attachToTarget "{\"targetId\":\"$(get .result.targetId)\",\"flatten\":true}"
session=$(get .result.sessionId)
for domain in Page Network Runtime Log DOM; do ask $domain.enable; done

widths() { # what is wider than WIDTH, of what is shown now
    ask Page.getLayoutMetrics
    wide=$(get .result.cssContentSize.width) high=$(get .result.cssContentSize.height)
    [ "${wide%.*}" -le "$width" ] || fail "$what: $1: $wide px wide on a screen of $width"
}
culprit() { # which element it is: for who has to mend it
    ask Runtime.evaluate "{\"returnByValue\":true,\"expression\":\"[...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > $width + 1 && !e.closest('.wide,pre,svg svg')).slice(0, 5).map(e => e.tagName + '.' + e.className + ' ' + e.textContent.slice(0, 60)).join(' | ')\"}"
    echo "    $(get .result.result.value)" >&2
}
picture() { # NAME
    ask Page.captureScreenshot "{\"format\":\"png\",\"captureBeyondViewport\":true,\"clip\":{\"x\":0,\"y\":0,\"width\":$width,\"height\":$((${high%.*} < 12000 ? ${high%.*} : 12000)),\"scale\":1}}"
    get .result.data | base64 -d >"$shots/$1.png"
}
show() { # PAGE SCRIPTS-OFF: in $width, $scheme
    ask Emulation.setDeviceMetricsOverride "{\"width\":$width,\"height\":900,\"deviceScaleFactor\":1,\"mobile\":$([ "$width" -lt 600 ] && echo true || echo false)}"
    ask Emulation.setEmulatedMedia "{\"features\":[{\"name\":\"prefers-color-scheme\",\"value\":\"$scheme\"}]}"
    ask Emulation.setScriptExecutionDisabled "{\"value\":$2}"
    : >"$heard"
    ask Page.navigate "{\"url\":\"file://$1\"}"
    await Page.loadEventFired
}
quiet() { # nothing on the console, and nothing asked for but the page itself
    local bad
    bad=$(jq -r 'select(.method == "Runtime.exceptionThrown" or .method == "Runtime.consoleAPICalled" or .method == "Log.entryAdded") | .params | tojson' "$heard")
    [ -z "$bad" ] || fail "$what: on the console: ${bad:0:300}"
    bad=$(jq -r --arg page "file://$1" 'select(.method == "Network.requestWillBeSent") | .params.request.url | select(. != $page)' "$heard")
    [ -z "$bad" ] || fail "$what: it asks for $bad"
}

# ---- what it looks like ----
i=0
for bundle in "$@"; do
    i=$((i + 1))
    page=$dir/$i.html
    "$build/hangdog" report "$bundle" -o "$page" >/dev/null 2>"$dir/err" || die "$bundle: $(cat "$dir/err")"
    name=$(sed -n 's/.*<title>\([a-z-]*\).*/\1/p' "$page" | head -n 1)-$(basename "$bundle" | cut -c1-4)
    for width in 1280 390; do
        for scheme in light dark; do
            what="$name, $width px, $scheme"
            show "$page" false
            widths "as it opens" || :
            plain=$high
            picture "$name-$width-$scheme"
            ask Runtime.evaluate '{"expression":"matchMedia(\"(prefers-color-scheme: dark)\").matches + \" \" + getComputedStyle(document.body).backgroundColor"}'
            colours[$([ $scheme = dark ])$?]=$(get .result.result.value)
            ask Runtime.evaluate '{"expression":"document.querySelectorAll(\"details\").forEach(d => d.open = true)"}'
            widths "with its folds open"
            [ "${wide%.*}" -le "$width" ] || culprit
            quiet "$page"
        done
        [ "${colours[0]#* }" != "${colours[1]#* }" ] || fail "$name: dark looks as light does: ${colours[*]}"
        show "$page" true
        widths "without JavaScript"
        [ "$high" = "$plain" ] || fail "$what: without JavaScript it is $high px high and not $plain"
        quiet "$page"
    done
    echo "$name: looked at"
done
session=''
ask Browser.close
echo "pictures: $shots"
exit $failed
