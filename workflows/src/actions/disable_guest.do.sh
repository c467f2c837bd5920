# GUEST ENABLED RUNNING: from now on the guest does not start with this host.

guest_disable "$1"
