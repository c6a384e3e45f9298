#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every fact that the sources name is in diag/facts.def, and nothing stands there that nobody says.
# (What conditions ask for, and of what type facts are, is checked by tests/unit/diag.)
src=${srcdir:-.}
cd "$src" || exit 1
failed=0
bad() { echo "$*"; failed=1; }

mapfile -t kinds < <(sed -nE 's/^FACT(_PASSES)? \("([^"]*)".*/\2/p' diag/facts.def)
[ "${#kinds[@]}" -gt 50 ] || bad "diag/facts.def has hardly any facts: this test looks at the wrong place"
families=$(printf '%s\n' "${kinds[@]}" | sed 's/\..*//' | sort -u | paste -sd'|')

# Names as they stand in the sources; what is filled in is "*", and so is the middle of collect_name().
mapfile -t names < <(find base guests transports scenarios supervisor diag/collect diag/outside -name '*.c' -exec sed -E \
    's/collect_name \((.*)"([a-z.]+)", [a-z]+, "(\.[a-z_.]+)"/\1"\2*\3"/' {} + |
    grep -oE "\"($families)\.[a-z0-9_.%*]*\"" | tr -d '"' | sed -E 's/%[-.0-9]*[a-z]/*/g' |
    grep -vE '\.(json|jsonl|txt|log|pub)$' | sort -u)
[ "${#names[@]}" -gt 40 ] || bad "the sources name hardly any facts: this test looks at the wrong place"

said=" "
for name in "${names[@]}"; do
    # "console.state%s%s" is a name with or without a console's; one that ends in a dot is what others begin with.
    name=${name//\*\*/}
    hits=0
    for kind in "${kinds[@]}"; do
        # Either may be the pattern.
        # shellcheck disable=SC2053
        if [[ $kind = $name || $name = ${kind/\*/?*} || ($name = *. && $kind = "$name"*) ]]; then
            hits=$((hits + 1))
            [[ $name = *. ]] || said="$said$kind "
        fi
    done
    [ $hits -gt 0 ] || bad "$name is in the sources, and no fact of diag/facts.def"
done
for kind in "${kinds[@]}"; do
    # The same of a guest's other consoles.
    case $said in
        *" $kind "*|*" ${kind%.\*} "*) ;;
        *) bad "$kind is in diag/facts.def, and nobody says it" ;;
    esac
done
exit $failed
