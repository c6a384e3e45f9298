# SPDX-License-Identifier: Apache-2.0
#
# All results of a run as a table: $invalid, how many were repeated because a guest died of itself; $vantage; $documents
# those of the zoo; $whole, whether it was all of it: what must hold is of a whole, and not of a few.
include "shares";
($documents | map({key: .name, value: .}) | from_entries) as $doc
| (map(select(.lost == null and .invalid == null))) as $all
| ($all | map(select(.control | not))) as $faults
| ($all | map(select(.control))) as $controls
| ($faults | map(select(is_high))) as $high
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
  "detected: \(percent($faults | map(select(.class != "nothing")) | length; $faults | length))",
  ($faults | map(select(.class_ok)) | "right, and with the evidence that there must be: \(percent(map(select(.missing == [])) | length; length))"),
  "called high or certain, and right: \(percent($high | map(select(.class_ok)) | length; $high | length))",
  ($all | held($doc; $vantage)[] | "\(.what): \(.is)" + (if .want == "" then "" else ", wanted \(.want)" end)
    + (if $whole and .ok != null then "  \(verdict | gsub("\\*"; ""))" else "" end)),
  "invalid, repeated: \($invalid); without a result: \(map(select(.lost != null)) | length)\(map(select(.lost != null) | " \(.name) (\(.lost))") | join(","))"
