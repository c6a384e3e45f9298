# SPDX-License-Identifier: Apache-2.0
#
# What both tables are made of: shares, medians, and what must hold (docs/zoo.md, "What must hold").
def percent($n; $of): if $of == 0 then "-" else "\(($n * 1000 / $of | round) / 10) % of \($of)" end;
def median: map(select(. != null)) | sort | if length == 0 then null else .[(length - 1) / 2 | floor] end;
def seconds: if . == null then "-" elif . >= 1e12 then "never" else "\((. / 100 | round) / 10) s" end;
def is_judged: .lost == null and .invalid == null;
def is_high: .confidence == "high" or .confidence == "certain";
def is_right: .class_ok and .culprit_ok;
def is_beaten: .want[0] as $c | ["kernel-panic", "kernel-oops", "hard-lockup", "soft-lockup", "rcu-stall", "workqueue-lockup",
  "vmm-dead", "vmm-stuck", "vmm-internal-error", "host-log-blocked"] | index($c) != null;

# Milliseconds of "90s" and "2m".
def millis: tostring | capture("^(?<n>[0-9.]+)(?<u>ms|s|m|h)?$")? // null
  | if . then (.n | tonumber) * ({ms: 1, s: 1000, m: 60000, h: 3600000}[.u // "s"]) else null end;
# Period times threshold and timeout of the slowest check of a document: the shell is asked in each.
def patience: [(.scenarios // [])[] | ((.interval // "30s") | millis) * (."failure-threshold" // 1) + ((.timeout // "5s") | millis)] + [25000] | max;
# From the fault to the incident: not of a boot, whose fault is its beginning, and not where a person has to ask. What
# was never noticed took for ever.
def is_timed($doc): (.control | not) and .group != "boot" and (($doc[.name].ask // false) | not);
def took: if .class == "nothing" then 1e12 else .incident_ms end;

# What must hold, of one kernel and vantage: [{what, want, is, ok}], ok null where nothing is demanded or nothing was
# measured. $doc: the documents by name.
def held($doc; $v):
  map(select(is_judged)) | map(select(.control)) as $c | map(select(.control | not)) as $f
  | ($f | map(select(is_timed($doc)))) as $t | ($t | map(select(is_beaten))) as $beaten | ($t | map(select(is_beaten | not))) as $asked
  | ({all: [95, 90], eve: [90, 85]}[$v] // [null, null]) as $share
  # What a control was called counts, too: it is never right.
  | (($f | map(select(.confidence == "certain"))) + ($c | map(select(.incidents > 0 and .confidence == "certain")))) as $certain
  | def share($what; $n; $of; $want): {what: $what, want: (if $want then ">= \($want) %" else "" end), is: percent($n; $of),
        ok: (if $want == null or $of == 0 then null else $n * 100 >= $want * $of end)};
    def at_most($what; $is; $want; $text; $demanded): {what: $what, want: $want.text, is: $text,
        ok: (if $is == null or ($demanded | not) then null else $is <= $want.n end)};
    [ share("class right"; $f | map(select(.class_ok)) | length; $f | length; $share[0]),
      share("culprit right"; $f | map(select(is_right)) | length; $f | length; $share[1]),
      share("called certain, and right"; $certain | map(select(.control != true and .class_ok)) | length; $certain | length; 99),
      ($f | map(select(.wrong != []))) as $w
      | at_most("faults of which was said what must not be"; if $f == [] then null else $w | length end; {n: 0, text: "0"}; "\($w | length) of \($f | length)"; true),
      ($c | map(select(.incidents > 0))) as $raised
      | at_most("controls with an incident"; if $c == [] then null else $raised | length end; {n: 0, text: "0"}; "\($raised | length) of \($c | length)"; true),
      # Without a heartbeat nobody is that quick.
      ($beaten | map(took) | median) as $m
      | at_most("fault to incident, median: vCPU, kernel, VMM"; $m; {n: 5000, text: "<= 5 s"}; "\($m | seconds) of \($beaten | length)"; $v != "console" and $v != "monitor"),
      ($asked | map((took // empty) / ($doc[.name] // {} | patience)) | median) as $m
      | at_most("the others, median of their period × threshold + timeout"; $m; {n: 1, text: "<= 1"};
          if $m == null then "-" else "\(if $m > 1e6 then "never" else ($m * 100 | round) / 100 end) (\($asked | map(took) | median | seconds)) of \($asked | length)" end; true),
      {what: "fault to verdict, median", want: "", is: ($t | map(.verdict_ms) | median | seconds), ok: null},
      # Of a boot, too; what was looked at by another one before counts from then on.
      ({quick: 3000, standard: 15000} | to_entries[] | . as $of | $f | map(select(.playbook == $of.key and .looked_ms)) | (map(.looked_ms) | median) as $m
      | at_most("incident to verdict by \($of.key), median"; $m; {n: $of.value, text: "<= \($of.value / 1000) s"}; "\($m | seconds) of \(length)"; $v == "all" or $v == "eve")),
      {what: "bundle, median and largest (bytes)", want: "",
       is: ($f | map(select(.bundle > 0).bundle) | if . == [] then "-" else "\(median), \(max)" end), ok: null},
      ($f | map(.incident_bytes // empty) | max) as $m
      | at_most("incident.json, largest"; $m; {n: 65536, text: "<= 64 KiB"}; if $m == null then "-" else "\($m) bytes" end; true) ];
def verdict: {"true": "PASS", "false": "**FAIL**", "null": ""}[.ok | tostring];

# [{want, said, n}] of faults: which class was taken for which. Where several are right, the one that was said is wanted.
def confused: map(select((.control | not) and is_judged) | {want: (if .class_ok then .class else .want[0] end), said: .class})
  | group_by([.want, .said]) | map({want: .[0].want, said: .[0].said, n: length});
def confusion: confused as $c | ($c | map(.said) | unique) as $said | ($c | map(.want) | unique)[] as $want
  | [$want] + ($said | map(. as $s | [$c[] | select(.want == $want and .said == $s).n][0] // 0
      | if . == 0 then "" elif $s == $want then "\(.)" else "**\(.)**" end));
