# SPDX-License-Identifier: Apache-2.0
#
# Rows of `hangdog inspect --json`, all of them as one array, as truth.awk compares them.
(map(select(.row == "stack") | {key: (.id | tostring), value: .frames}) | from_entries) as $stacks
| .[]
| if .row == "kernel" then "R\t\(.release)"
  elif .row == "task" and .pid != 0 then
    . as $t
    | "T\t\(.pid)\t\(.tgid)\t\(.state[0:1])\t\(.ppid)\t\(.switches)\t\(if .on_cpu then 1 else "" end)\t\(.cgroup // "-")\t\(.name // .comm)",
      (if .stack then $stacks[.stack | tostring][] | select(. != "<interrupt>") | "F\t\($t.pid)\t\(.)" else empty end)
  else empty end
