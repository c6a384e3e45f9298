# SPDX-License-Identifier: Apache-2.0
#
# Results of several vantages as one table.
def percent($n; $of): if $of == 0 then "-" else "\(($n * 1000 / $of | round) / 10) %" end;
map(select(.lost == null and .invalid == null))
| "| vantage | faults | detected | class right | culprit right | called high, and right | controls with an incident |\n|---|---|---|---|---|---|---|",
  (["all", "console", "monitor", "memory", "eve"][] as $v
   | map(select(.vantage == $v)) | select(length > 0)
   | map(select(.control | not)) as $f | map(select(.control)) as $c | ($f | map(select(.confidence == "certain" or .confidence == "high"))) as $s
   | "| \($v) | \($f | length) | \(percent($f | map(select(.class != "nothing")) | length; $f | length)) | \(percent($f | map(select(.class_ok)) | length; $f | length)) | \(percent($f | map(select(.class_ok and .culprit_ok)) | length; $f | length)) | \(percent($s | map(select(.class_ok)) | length; $s | length)) of \($s | length) | \($c | map(select(.incidents > 0)) | length) of \($c | length) |")
