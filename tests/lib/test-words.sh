#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Nothing in the tree is about the place where it was written: no folders of one machine, no hosts of one network, no
# marks of unfinished work, and no spelling that is always wrong.
cd "${srcdir:-.}" || exit 1
failed=0
# In a checkout what git knows, else (a tarball) what is there and was not built.
files() {
    if [ -e .git ] && command -v git >/dev/null; then git ls-files -z
    else find . -type f ! -path './.git/*' ! -path './build*' ! -name '*.o' ! -path './autom4te*' ! -path './_*' -print0; fi |
        grep -zvE '^(\./)?(tests/fuzz/corpus/|tests/lib/test-words\.sh|LICENSE|configure$|aclocal\.m4|build-aux/|Makefile\.in)'
}
none() { # WHAT REGEX [GREP-OPTION...]
    local what=$1 re=$2 hits
    shift 2
    if hits=$(files | xargs -0 grep -InE "$@" -e "$re"); then
        echo "$hits" | cut -c1-160 | sed "s/^/$what: /"
        failed=1
    fi
}
n=$(files | tr -cd '\0' | wc -c)
[ "$n" -gt 150 ] || { echo "only $n files were found: the test looks at the wrong place"; exit 1; }

none "a folder of one machine" '(^|[^A-Za-z0-9_.$}-])/(work|home/[a-z]+|Users|workspace)/[A-Za-z.]'
none "a folder of one machine" '/tmp/w[t]/'
none "a host of one network" '(deb|security|ftp)\.debian\.org|pypi\.|registry\.[a-z]+\.[a-z]+|artifactory|proxy\.golang|nodesource|\.internal\b|\.corp\b' -i
none "unfinished" '\b(TODO|FIXME|XXX|HACK|WIP)\b'
none "spelling" '\b(teh|recieve[ds]?|seperate(ly|d)?|occured|occurence|wich|becuase|existant|succesful(ly)?|neccessary|untill|wether|adress(es)?|definately|enviroment|lenght|heigth|refered|transfered|accross|begining|sucess|fucntion|retrun|paramter|paramater|arguement|consistant|dependancy|explicitely|implicitely|independant|maintainance|priviledge[sd]?|persistant|publically|reciever|similiar|suport|threshhold|tommorow|writting|guarentee[ds]?|acknowledgement of of|the the|of of|to to|and and)\b' -i -w
exit $failed
