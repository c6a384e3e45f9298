#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# kill100-lab.sh by way of the mux: kill -9 at POINTS (30) random moments while each key of SysRq moves the input focus of a real
# guest's console away and back.  Part of make check-long.
export WAY=mux POINTS="${POINTS:-30}"
exec bash "${HANGDOG_SRC:-${srcdir:-.}}/tests/chaos/kill100-lab.sh"
