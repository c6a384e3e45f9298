# SPDX-License-Identifier: Apache-2.0
#
# What is wrong with a document of the zoo: a line each, nothing when it is well. docs/zoo.md says what its keys are.
def of($names; $where): keys[] | . as $k | select($names | index($k) | not) | "\($where): no key \"\($k)\": \($names | join(" "))";
def regex: . as $p | try (("" | test($p)) | empty) catch "no expression: \($p)";
def wrong($file; $dir): . as $d
| if type != "object" then "it is no object" else
  of(["name", "about", "group", "control", "ci", "oops", "kernels", "vantages", "guest", "before", "scenarios", "fault", "within", "ask", "watch", "settle", "says", "want", "never"]; "document"),
  (select(.name != $file) | "its name is not its file's"),
  (select((.about // "") == "") | "it does not say what it is about"),
  (select((.group // "") as $g | ["kernel", "storage", "vmm", "boot", "userspace", "application", "control"] | index($g) | not) | "no group \"\(.group)\""),
  (select((.control // false) != ($dir == "controls")) | "controls lie in controls/, and say so"),
  (select((.guest | type) != "object") | "it has no guest"),
  (.guest // {} | of(["launcher", "options", "disk", "server", "count", "up", "well", "no_shell", "delay"]; "guest")),
  (.guest.options // [] | .[] | select(test("^[a-z]+=") | not) | "guest: \"\(.)\" is no option of docs/lab.md"),
  (.guest.launcher // "eve" | select(. != "eve" and . != "libvirt") | "guest: no launcher \"\(.)\""),
  (.guest.server // "file" | select(["file", "nbd", "full", "frozen"] as $s | . as $x | $s | index($x) | not) | "guest: no server \"\(.)\""),
  (select((.fault | type) != "array") | "fault: no list of steps"),
  ((.before // []) + (.fault // []) | .[] | (keys - ["args", "may_fail"]) as $k
   | select(($k | length) != 1 or (["inside", "script", "host", "wait"] | index($k[0]) | not)) | "fault: a step is one of inside, script, host, wait: \(tojson)"),
  ((.before // []) + (.fault // []) | .[] | .script // empty | select(. as $s | $scripts | index($s) | not) | "fault: no examples/faults/\(.).sh"),
  (.scenarios // [] | .[] | select((.name // "") == "" or (.kind // "") == "") | "scenarios: one without name or kind"),
  (.want // {} | of(["class", "culprit", "facts", "files", "facets", "host_incident"]; "want")),
  (.never // {} | of(["class", "culprit", "certain"]; "never")),
  (.want.class // [], .never.class // [] | .[] | select(. as $c | $classes | index($c) | not) | "no class \"\(.)\" in docs/verdicts.md"),
  (.says, .want.culprit, .never.culprit, (.want.facts // {} | .[]), (.want.facets // {} | .[]), (.want.files // [] | .[]) | select(. != null) | regex),
  (if .control then (select(.want != null) | "a control wants nothing") else (select((.want.class // [] | length) == 0) | "want.class: what must be said?"), (select(.want.culprit == null) | "want.culprit: who?"),
    (select(.want.host_incident != true and ([.want.facts, .want.files, .want.facets] | map(. // [] | length) | add == 0)) | "want: no fact, file or facet that the bundle must hold"),
    (.want.culprit // "" | select(test("^[.*+^$]*$") or (. as $p | "" | test($p))) | "want.culprit: anybody is"),
    # What names no cause: who asked, the class, and what a rule says that knows no more.
    ((.want.culprit // "$.") as $p | (([.scenarios[]?.name | "what the check \(.) asks for"]) + .want.class + ["the guest's network", "the guest's boot", "the guest's kernel", "QEMU main loop", "firmware or boot loader"])[]
     | select(test($p; "i")) | "want.culprit: \"\(.)\" names no cause, and is taken for one") end)
  end;

(input_filename | split("/") | .[-2:]) as $path
| wrong($path[1] | rtrimstr(".json"); $path[0]) | "\($path | join("/")): \(.)"
