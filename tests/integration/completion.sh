#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Completion in the shells that are here: it parses, knows verbs, options, their values and guests. A guest's name
# is its owner's to choose: one that a shell would run is not offered, and nothing of it is run.
# shellcheck disable=SC1091,SC2154
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/lib/functions.sh"
requires bash
tmpdir

mkdir "$tmpdir/bin"
cat >"$tmpdir/bin/hangdog" <<'EOT'
#!/bin/sh
if [ "$*" = "playbook list --json" ]; then
  echo '{"row":"playbook","name":"quick","summary":"q","origin":"shipped"}'
  echo '{"row":"playbook","name":"my-own.2","summary":"$(touch pwned)","origin":"file \/x"}'
  echo '{"row":"finding","severity":"error","file":"x","message":"y"}'
  exit
fi
[ "$*" = "list --no-start --json" ] || exit 2
cat <<'EOR'
{"row":"daemon","version":"0"}
{"row":"guest","name":"a","display":"web-1"}
{"row":"guest","name":"b","display":"$(touch pwned)"}
{"row":"guest","name":"c","display":"`touch pwned`"}
{"row":"guest","name":"d","display":"x; touch pwned"}
{"row":"guest","name":"e","display":"--take"}
{"row":"guest","name":"f","display":"\",\"display\":\"z$(touch pwned)"}
{"row":"guest","name":"g","display":"db_2.example"}
EOR
EOT
chmod +x "$tmpdir/bin/hangdog"
PATH="$tmpdir/bin:$PATH"
for shell in bash zsh fish; do
  "$HANGDOG_BUILD/hangdog" completion $shell >"$tmpdir/$shell"
done
cd "$tmpdir" || exit

offered () # WORD...: all that bash offers behind them, one a line
{
  bash -c '. ./bash; COMP_WORDS=(hangdog "$@" ""); COMP_CWORD=$(($# + 1)); _hangdog; printf "%s\n" "${COMPREPLY[@]}"' - "$@"
}
has () # LIST WORD
{
  printf '%s\n' "$1" | grep -qxF -e "$2" || fail "\"$2\" is not among: $1"
}

list=$(offered)
has "$list" status
has "$list" --state
list=$(offered status)
has "$list" web-1
has "$list" db_2.example
has "$list" --watch
check_eq "$(printf '%s\n' "$list" | grep -v '^--[a-z]*$' | tr '\n' ' ')" "web-1 db_2.example " "guests that bash offers"
check_eq "$(offered diagnose web-1 --playbook | tr '\n' ' ')" "quick my-own.2 " "playbooks"
check_eq "$(offered playbook show | tr '\n' ' ')" "quick my-own.2 " "playbooks to be shown"
printf '%s\n' "$(offered diagnose)" | grep -qx quick && fail "a playbook is offered where a guest belongs"
check_eq "$(offered wait web-1 --for | head -n 2 | tr '\n' ' ')" "hung console-lost " "healths"
printf '%s\n' "$(offered scenario pause --for)" | grep -qx well && fail "a health is offered where a time belongs"
check_eq "$(offered scenario test f --from | head -n 2 | tr '\n' ' ')" "talking silent " "states of a console"

if command -v zsh >/dev/null; then
  zsh -fn ./zsh || fail "completion for zsh does not parse"
  sed '$d' ./zsh >zsh-functions # the call of it is for zsh's own editor
  check_eq "$(zsh -fc '. ./zsh-functions; print -l ${(f)"$(_hangdog_guests)"}' | tr '\n' ' ')" "web-1 db_2.example " "guests that zsh offers"
  check_eq "$(zsh -fc '. ./zsh-functions; print -l ${(f)"$(_hangdog_playbooks)"}' | tr '\n' ' ')" "quick my-own.2 " "playbooks that zsh offers"
fi
if command -v fish >/dev/null; then
  fish -N -c 'source ./fish; complete -C "hangdog status "' >fish.out 2>fish.err || fail "completion for fish does not load: $(cat fish.err)"
  check_eq "$(cat fish.err)" "" "what fish says"
  has "$(cut -f 1 fish.out)" web-1
  check_eq "$(fish -N -c 'source ./fish; complete -C "hangdog diagnose web-1 --playbook "' | cut -f 1 | tr '\n' ' ')" "my-own.2 quick " "playbooks that fish offers"
  fish -N -c 'source ./fish; complete -C "hangdog "' | grep -q "^probe.*guest's" || fail "fish does not know probe"
fi
[ ! -e pwned ] || fail "a guest's name was run"
