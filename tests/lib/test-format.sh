#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# How sources are set: no tabs, no blanks at the end, 80 columns. With clang-format 14 also says how many lines
# .clang-format would set otherwise; HD_FORMAT=1 makes that a failure and names them (HD_FORMAT=fix sets them).
cd "${srcdir:-.}" || exit 1
failed=0 n=0
mapfile -t files < <(find base guests transports kernel scenarios diag controller-proto supervisor tests \
    -name '*.[ch]' ! -path 'tests/lab/*' 2>/dev/null | sort)
for f in "${files[@]}"; do n=$((n + 1)); done
[ "$n" -gt 100 ] || { echo "only $n sources were found: the test looks at the wrong place"; exit 1; }
if out=$(grep -nP '\t|[ \t]+$' "${files[@]}"); then echo "tab, or blanks at the end: $out"; failed=1; fi
# In characters: a comment may have a dash or an arrow. Tables of test cases may run on.
if out=$(printf '%s\0' "${files[@]}" | grep -zv '^tests/' | LC_ALL=C.UTF-8 xargs -0 grep -nE '^.{81,}$'); then echo "over 80 columns: $out"; failed=1; fi
for f in "${files[@]}"; do
    [ -z "$(tail -c 1 "$f")" ] || { echo "$f: the last line does not end"; failed=1; }
done

tool=$(command -v clang-format-14 || command -v clang-format || :)
if [ -z "$tool" ] || [[ "$("$tool" --version)" != *"version 14."* ]]; then
    # Another version sets the same words otherwise.
    echo "clang-format 14 is missing: not asked"
    exit $failed
fi
case ${HD_FORMAT:-0} in
    fix) printf '%s\0' "${files[@]}" | xargs -0 -n 20 "$tool" -i ;;
    1)
        for f in "${files[@]}"; do "$tool" "$f" | diff -u --label "$f" --label "$f as .clang-format has it" "$f" - || failed=1; done ;;
    *)
        # All in one go: a process or two for each file takes most of a minute.
        lines=$(diff <(cat "${files[@]}") <(printf '%s\0' "${files[@]}" | xargs -0 "$tool") | grep -c '^>')
        echo "clang-format would change $lines lines (HD_FORMAT=1 shows them)" ;;
esac
exit $failed
