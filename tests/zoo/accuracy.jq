# SPDX-License-Identifier: Apache-2.0
#
# Results of several runs as the tables of docs/accuracy.md. Used by tests/zoo/table.
# $all the results, $documents those of the zoo.
include "shares";
def row: "| " + join(" | ") + " |";
def rule: "|" + (map("---|") | join(""));
def named: {all: "everything", eve: "as EVE has it", memory: "memory alone", console: "console alone", monitor: "monitor alone"}[.];
def groups: ["kernel", "storage", "vmm", "boot", "userspace", "application"];
def vantages: ["all", "eve", "console", "monitor", "memory"];

# A fault of this vantage?
def can_be($k; $v): (.vantages // [$v] | index($v) != null) and (.kernels // [$k] | index($k) != null);
def said: (.class + (if .confidence == "" then "" else ", \(.confidence)" end)
  + (if .class_ok | not then " **wrong**" elif .culprit_ok | not then " (culprit not)" else "" end)
  + (if .missing != [] and .class_ok then " (evidence not whole)" else "" end)
  + (if .wrong != [] and .class_ok then " (says \(.wrong | join(", ")))" else "" end));
def cell($k; $v): if . == null then "" elif .lost then "not made" elif .invalid then "invalid" else said end;
def raised: if . == null then "" elif .lost then "not made" elif .invalid then "invalid"
  elif .incidents == 0 then "in peace" + (if .missing == [] then "" else " (not said)" end) else "**\(.incident_list | join("; "))**" end;

($documents | map({key: .name, value: .}) | from_entries) as $doc
# The last of each name counts, and one that could not be made takes no other's place.
| [ $all | map(select($doc[.name] == null or (.kernel as $k | .vantage as $v | $doc[.name] | can_be($k; $v)))) | group_by([.kernel, .vantage])[]
  | {k: .[0].kernel, v: .[0].vantage,
     of: (reduce .[] as $r ({}; if .[$r.name] and ($r | is_judged | not) then . else .[$r.name] = $r end)),
     trees: (map(.commit // .tree // empty) | unique)} ]
| sort_by(.v as $v | [.k, (vantages | index($v))]) as $columns
| ($columns | map("\(.k), \(.v | named)")) as $heads
| (["", "faults", "detected", "class right", "culprit right", "evidence whole", "called certain, and right", "called high, and right", "controls in peace"] | row, rule),
  ($columns[]
   | [.of[] | select(is_judged)] as $j | ($j | map(select(.control | not))) as $f | ($j | map(select(.control))) as $c
   | ($f | map(select(.confidence == "high"))) as $high | ($f | map(select(.confidence == "certain"))) as $certain
   | ["\(.k), \(.v | named)", "\($f | length)", percent($f | map(select(.class != "nothing")) | length; $f | length), percent($f | map(select(.class_ok)) | length; $f | length),
      percent($f | map(select(is_right)) | length; $f | length), percent($f | map(select(.class_ok and .missing == [])) | length; $f | map(select(.class_ok)) | length),
      percent($certain | map(select(.class_ok)) | length; $certain | length), percent($high | map(select(.class_ok)) | length; $high | length), percent($c | map(select(.incidents == 0)) | length; $c | length)] | row),
  "",
  ($columns | map(.v as $v | [.of[]] | held($doc; $v))) as $held
  | (["what must hold", "wanted"] + $heads | row, rule),
    (range($held[0] // [] | length) as $i | [$held[0][$i].what, ($held | map(.[$i].want) | unique | map(select(. != "")) | reverse | join("; "))]
     + ($held | map(.[$i] | [.is, verdict] | map(select(. != "")) | join(" "))) | row),
  "",
  ($columns[] | [.of[]] as $of | ($of | confused | map(.said) | unique) as $said
   | select($said != [])
   | (["\(.k), \(.v | named): wanted / said"] + $said | row, rule), ($of | confusion | row), ""),
  (["fault"] + $heads | row, rule),
  ([$columns[].of[] | select(.control | not) | .name] | unique | map(. as $n | {n: $n, g: ($doc[$n].group // "")}) | sort_by(.g as $g | [(groups | index($g)), .n])[]
   | .n as $n | [$n] + ($columns | map(. as $col | if $col.of[$n] then $col.of[$n] | cell($col.k; $col.v)
       elif $doc[$n] and ($doc[$n] | can_be($col.k; $col.v) | not) then "not there" else "" end)) | row),
  "",
  (["control"] + $heads | row, rule),
  ([$columns[].of[] | select(.control) | .name] | unique[]
   | . as $n | [$n] + ($columns | map(. as $col | if $col.of[$n] then $col.of[$n] | raised
       elif $doc[$n] and ($doc[$n] | can_be($col.k; $col.v) | not) then "not there" else "" end)) | row),
  "",
  ($columns[] | . as $col
   | [.of[] | select(is_judged | not)] as $not | [$documents[] | select(can_be($col.k; $col.v) | not) | .name] as $nowhere
   | [$documents[] | select(can_be($col.k; $col.v)) | .name | select($col.of[.] == null)] as $left
   | "* *\(.k), \(.v | named)*: by \(.trees | join(", "))"
     + "; fault to verdict, median: \([.of[] | select(is_judged and (.control | not)) | .verdict_ms] | median | seconds), at a load of \([.of[].load // empty] | median // "?")"
     + "; largest bundle \([.of[].bundle // 0] | max) bytes, incident.json \([.of[].incident_bytes // 0] | max)."
     + ([.of[].repeats // 0] | add // 0 | if . == 0 then "" else " Repeated, because a guest oopsed by itself: \(.)." end)
     + (if $not == [] then "" else " Not made: \($not | map("\(.name) (\(.lost // .invalid))") | join(", "))." end)
     + (if $nowhere == [] then "" else " Not there in this vantage or kernel: \($nowhere | join(", "))." end)
     + (if $left == [] then "" else " Not measured: \($left | length)." end))  , ($held | flatten | map(select(.ok == false)) | select(. != []) | "", "FAIL: \(length) of what must hold does not: \(map(.what) | unique | join("; ")).")
