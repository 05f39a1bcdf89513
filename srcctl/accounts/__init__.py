"""Users and groups of a node: /etc/passwd, /etc/group, /etc/security, and the commands over them."""
