#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# corpus.sh [PART]... - kernel/text on collected logs: labels quiet chunks satyr captures sysrq (all). The logs are not part
# of the tree: HANGDOG_CORPORA names their folder, else it is ../shared/corpora beside the sources. CORPUS_VERBOSE=1
# prints every miss, CORPUS_SEED another throw of the dice. Exit 1 when a promise is broken.
set -u
export LC_ALL=C
src=${HANGDOG_SRC:-$(cd "$(dirname "$0")/../.." && pwd)}
build=${HANGDOG_BUILD:-$PWD}
corpora=${HANGDOG_CORPORA:-$src/../shared/corpora}
score=$build/tests/corpus/score
broken=0 ran=0

options=(-s "${CORPUS_SEED:-1}")
if [ "${CORPUS_VERBOSE:-0}" = 1 ]; then options+=(-v); fi

part() { # NAME FOLDER
    case " $parts " in *" $1 "*|*" all "*) ;; *) return 0 ;; esac
    if [ ! -d "$corpora/$2" ]; then
        echo "$1: skipped, no corpus ($corpora/$2)"
        return 0
    fi
    ran=$((ran + 1))
    "$score" "${options[@]}" "$1" "$corpora/$2" || broken=1
    echo
}
parts=$(tr ',' ' ' <<<"${*:-all}")
for p in $parts; do
    case $p in labels|quiet|chunks|satyr|captures|sysrq|all) ;; *)
        echo "corpus: there is no part $p: labels quiet chunks satyr captures sysrq" >&2
        exit 2 ;;
    esac
done
[ -x "$score" ] || { echo "corpus: $score is not built" >&2; exit 1; }
part labels syzkaller/report
part satyr satyr
part captures sysrq-captures
part quiet syzkaller/report
part chunks syzkaller/report
# Of another programme, and says itself what is skipped.
case " $parts " in *" sysrq "*|*" all "*)
    HANGDOG_SRC=$src HANGDOG_BUILD=$build HANGDOG_CORPORA=$corpora bash "$src/tests/corpus/sysrq.sh"
    case $? in 0) ran=$((ran + 1)) ;; 77) ;; *) broken=1 ;; esac ;;
esac
if [ "$ran" = 0 ]; then echo "corpus: skipped, no corpus"; fi
exit "$broken"
