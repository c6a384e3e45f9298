# SPDX-License-Identifier: Apache-2.0
#
# Rows "dmesg" as the guest's own log reads, byte by byte (syslog(2), READ_ALL).
select(.row == "dmesg")
| ((.us / 1000000 | floor | tostring) | if length < 5 then "     "[length:] + . else . end) as $s
| ((.us % 1000000 | tostring) | "000000"[length:] + .) as $us
| "<\((.facility // 0) * 8 + .level)>[\($s).\($us)] " as $head
| .text | split("\n") | if length == 0 then [""] else . end | .[] | $head + .
