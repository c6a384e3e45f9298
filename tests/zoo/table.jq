# SPDX-License-Identifier: Apache-2.0
#
# All results of a run as a table: $invalid, how many were repeated because a guest died of itself.
def percent($n; $of): if $of == 0 then "-" else "\(($n * 1000 / $of | round) / 10) % (\($n) of \($of))" end;
def median: map(select(. != null)) | sort | if length == 0 then null else .[(length - 1) / 2 | floor] end;
def seconds: if . == null then "-" else "\((. / 100 | round) / 10) s" end;
(map(select(.lost == null and .invalid == null))) as $all
| ($all | map(select(.control | not))) as $faults
| ($all | map(select(.control))) as $controls
| ($faults | map(select(.confidence == "high" or .confidence == "certain"))) as $high
| "| fault | wanted | said | culprit | confidence | |\n|---|---|---|---|---|---|",
  ($faults | sort_by(.group, .name)[]
   | "| \(.name) | \(.want | join(", ")) | \(.class) | \(.culprit | gsub("\\|"; "/")) | \(.confidence) | "
     + ([ (if .class_ok then empty else "class" end), (if .culprit_ok then empty else "culprit" end), (.missing[]), (.wrong[] | "says \(.)") ] | join("; ")) + " |"),
  "",
  "| control | raised |\n|---|---|",
  ($controls | sort_by(.name)[] | "| \(.name) | \(if .incidents == 0 then "" else (.incident_list | join("; ")) end) |"),
  "",
  "confusion (wanted, said, how often):",
  ($faults | group_by([.want[0], .class])[] | "  \(.[0].want[0]) \(if .[0].class_ok then "=" else "->" end) \(.[0].class) \(length)"),
  "",
  "detected:      \(percent($faults | map(select(.class != "nothing")) | length; $faults | length))",
  "class right:   \(percent($faults | map(select(.class_ok)) | length; $faults | length))",
  "culprit right: \(percent($faults | map(select(.class_ok and .culprit_ok)) | length; $faults | length))",
  ($faults | map(select(.class_ok)) | "and with the evidence that there must be: \(percent(map(select(.missing == [])) | length; length))"),
  "said what must not be said: \($faults | map(select(.wrong != [])) | length)",
  "called high, and right: \(percent($high | map(select(.class_ok)) | length; $high | length))",
  "controls with an incident: \($controls | map(select(.incidents > 0)) | length) of \($controls | length)",
  "fault to incident, median: \($faults | map(.incident_ms) | median | seconds); to verdict: \($faults | map(.verdict_ms) | median | seconds)",
  "bundle, median: \($faults | map(select(.bundle > 0).bundle) | median // 0) bytes, largest \($faults | map(.bundle) | max // 0); incident.json, largest \($faults | map(.incident_bytes) | max // 0)",
  "invalid, repeated: \($invalid); without a result: \(map(select(.lost != null)) | length)\(map(select(.lost != null) | " \(.name) (\(.lost))") | join(","))"
