# GUEST: removes it.

guest_undefine "$1"
