#!/bin/sh
# Phase 3 of system boot: the console says which machine this is.
echo "-------------------------------------------------------------------------------"
echo "                                Welcome to AIX."
echo "                   boot image timestamp: `date '+%H:%M:%S %m/%d/%Y'`"
echo "-------------------------------------------------------------------------------"
exit 0
