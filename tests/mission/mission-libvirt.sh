#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The mission on the libvirt launcher, with a shorter interval, for make check-lab.
export HANGDOG_SRC=${HANGDOG_SRC:-$(cd "${srcdir:-.}" && pwd)} HANGDOG_BUILD=${HANGDOG_BUILD:-$PWD} MISSION_FAST=1
exec bash "$HANGDOG_SRC/tests/mission/mission.sh" libvirt
