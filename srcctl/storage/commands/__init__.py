"""Disk, volume group and file system commands, as an AIX administrator types them."""
