# SPDX-License-Identifier: Apache-2.0
#
# What was said of one fault, held against its document. Used by tests/zoo/zoo.sh.
# $doc the document, $inc the incidents, $head the bundle's, $members its files.
def re($p): . != null and (tostring | test($p));
# A suspicion that was looked at, and is none, is no alarm: nobody is told.
def is_alarm: (.timeline // []) | all(.step != "near-miss");
$doc[0] as $d
| ($inc | map(select(.id == $id)) | .[0]) as $i
| ($head[0] // {}) as $h
| ($i.verdict // {}) as $v
# Its evidence it brings along, also where it makes no bundle.
| (($h.facts // []) + $facts + ($v.evidence // [])) as $f
| ($d.want // {}) as $w
| ($d.never // {}) as $n
| (if ($inc | length) == 0 then "nothing" elif $v.class == null then "no verdict" else $v.class end) as $class
| {
    name: $d.name, group: $d.group, control: ($d.control // false), kernel: $kernel, vantage: $vantage,
    want: ($w.class // []), class: $class, culprit: ($v.culprit // ""), confidence: ($v.confidence // ""),
    sentence: ($v.sentence // ""), by: "\($i.scenario // "") \($i.code // "")",
    class_ok: (($w.class // []) | index($class) != null),
    culprit_ok: (if $w.culprit == null then true else (($v.culprit // "") | test($w.culprit; "i")) end),
    # Who sees less has less to show for it.
    missing: ([ $d.says // empty | . as $p | select($status | test($p) | not) | "status says \(.)" ] + if $vantage != "all" and $vantage != "eve" then [] else
      [ $w.host_incident // empty | select(. and ($inc | map(select((.key // "") != "")) | length) != 1) | "one incident of the host" ] +
      [ $w.facts // {} | to_entries[] | . as $want | select($f | any(.name == $want.key and (.value | re($want.value))) | not)
        | "fact \(.key) like \(.value)" ]
      + [ $w.files // [] | .[] | . as $m | select($members[0] | any(test($m)) | not) | "file \(.)" ]
      + [ $w.facets // {} | to_entries[] | . as $want | select(($h.ladder // []) | any(.facet == $want.key and (.state | re($want.value))) | not)
        | "facet \(.key) \(.value)" ] end),
    wrong: (
      [ $n.class // [] | .[] | select(. == $class) | "class \(.)" ]
      + [ $n.culprit // empty | . as $p | select(($v.culprit // "") | test($p; "i")) | "culprit \($p)" ]
      + [ $n.certain // empty | select(. and ($v.confidence == "high" or $v.confidence == "certain")) | "certain" ] ),
    host_incident: ($inc | any((.key // "") != "")),
    incidents: ($inc | if $d.control then map(select(is_alarm)) else . end | length), incident_list: ($inc | map("\(.scenario // "") \(.code // "") \(.verdict.class // "-") \(.end // "")")),
    guests: $guests,
    incident_ms: (if $i then ([$inc[].opened_ms // empty] | min // null | if . then . - $began else null end) else null end),
    verdict_ms: (if $i.collected_ms then $i.collected_ms - $began else null end),
    playbook: ($i.playbook // ""), looked_ms: (if $i.collected_ms and $i.opened_ms then $i.collected_ms - $i.opened_ms else null end),
    bundle: $bytes, incident_bytes: $incident,
    facts: ($f | map(select(.name | test("^(vmm|qemu|vcpu|kernel|guest|tasks|probe|console\\.state|reach|disk|net|host\\.psi)")) | "\(.name)=\(.value)") | unique)
  }
