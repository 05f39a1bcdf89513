#!/bin/sh
# Phase 3 of system boot: the console says which machine this is.
echo "-------------------------------------------------------------------------------"
echo "                                Welcome to AIX."
echo "                   boot image timestamp: `date '+%H:%M:%S %m/%d/%Y'`"
echo "-------------------------------------------------------------------------------"
# What the SRC of the last boot left behind.
root=${HAES_ROOT:-}
rm -f "$root"/dev/.SRC-unix/* 2>/dev/null
mkdir -p "$root/var/adm/SRC"
: >"$root/var/adm/SRC/active_list"
exit 0
