# GUEST: stops it.

guest_stop "$1" 10
link_admit "$1"
