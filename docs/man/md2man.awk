# SPDX-License-Identifier: Apache-2.0
#
# Makes a manual page of a page of docs/, so that both say the same:
#   awk -f md2man.awk -v name=hangdog-scenario -v section=5 -v version=0.1 \
#     -v what="what \"well\" means" docs/scenarios.md
# Knows what those pages use: headings, paragraphs, lists, tables, indented
# blocks, `code`, **bold**, links. A table becomes a list whose tag is the first column.

function plain(s) {
    gsub(/\\/, "\\e", s)
    gsub(/-/, "\\-", s)
    return s
}

# *a word* leans.
function leaned(s) {
    while (match(s, /\*[a-z][^*]*\*/))
        s = substr(s, 1, RSTART - 1) "\\fI" substr(s, RSTART + 1, RLENGTH - 2) "\\fR" substr(s, RSTART + RLENGTH)
    return s
}

# Text with marks, for a line of its own.
function text(s,    n, i, j, part, out, b, m, link) {
    while (match(s, /\[[^]]*\]\([^)]*\)/)) {
        link = substr(s, RSTART + 1, RLENGTH - 1)
        sub(/\].*/, "", link)
        s = substr(s, 1, RSTART - 1) link substr(s, RSTART + RLENGTH)
    }
    n = split(s, part, "`")
    out = ""
    for (i = 1; i <= n; i++)
        if (i % 2 == 0)
            out = out "\\fB" plain(part[i]) "\\fR"
        else {
            m = split(part[i], b, /\*\*/)
            for (j = 1; j <= m; j++)
                out = out (j % 2 == 0 ? "\\fB" plain(b[j]) "\\fR" : leaned(plain(b[j])))
        }
    if (out ~ /^[.']/)
        out = "\\&" out
    return out
}

function row(s,    n, i, cell, tag, body, c) {
    gsub(/\\\|/, "\001", s)
    sub(/^\|[ ]*/, "", s)
    sub(/[ ]*\|[ ]*$/, "", s)
    n = split(s, cell, /[ ]*\|[ ]*/)
    for (i = 1; i <= n; i++) {
        c = cell[i]
        gsub("\001", "|", c)
        cell[i] = c
    }
    if (!intable) {
        intable = 1
        split("", head)
        for (i = 1; i <= n; i++)
            head[i] = cell[i]
        return
    }
    if (cell[1] ~ /^:?-+:?$/)
        return
    print ".TP"
    print text(cell[1])
    body = 0
    for (i = 2; i <= n; i++)
        if (cell[i] != "") {
            c = cell[i]
            if (i < n)
                c = (head[i] != "" ? head[i] ": " : "") c "."
            print text(c)
            body = 1
        }
    if (!body)
        print "\\&"
}

function leave() {
    if (incode) { print ".fi"; print ".RE"; incode = 0; blank = 1 }
    if (intable) { print ".PP"; intable = 0 }
}

BEGIN {
    printf ".\\\" Made from docs/ by docs/man/md2man.awk: change it there.\n"
    printf ".TH %s %s \"\" \"hangdog %s\" \"hangdog\"\n", toupper(name), section, version
    print ".SH NAME"
    printf "%s \\- %s\n", plain(name), plain(what)
    blank = 1
}
/^<!--.*-->$/ { next }
/^# / { print ".SH DESCRIPTION"; blank = 1; next }
/^## / { leave(); print ".SH " toupper(text(substr($0, 4))); blank = 1; fresh = 1; next }
/^### / { leave(); print ".SS " text(substr($0, 5)); blank = 1; fresh = 1; next }
/^$/ {
    if (incode) { held++; next }
    leave(); blank = 1; next
}
/^    / && (blank || incode) && !inlist {
    if (!incode) { print ".PP"; print ".RS 2"; print ".nf"; incode = 1; held = 0 }
    for (; held > 0; held--) print ""
    c = plain(substr($0, 5))
    if (c ~ /^[.']/) c = "\\&" c
    print c
    blank = 0
    next
}
/^\|/ { row($0); blank = 0; fresh = 0; next }
/^\* / {
    leave()
    print ".IP \\(bu 2"
    print text(substr($0, 3))
    blank = 0; inlist = 1; fresh = 0
    next
}
{
    if (incode || intable) leave()
    c = $0
    if (c ~ /^ / && inlist) sub(/^ +/, "", c)
    else if (blank) { if (!fresh) print ".PP"; inlist = 0 }
    fresh = 0
    print text(c)
    blank = 0
}
END { leave() }
