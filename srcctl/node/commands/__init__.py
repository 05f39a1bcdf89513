"""The commands of the machine: halt, reboot, shutdown, telinit, the inittab commands, ps, oslevel."""
