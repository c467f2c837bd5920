# GUEST: removes it, or what there is of it. That of a later job stays.

if ! guest_defined "$1" || guest_is_of_this_job "$1"; then guest_undefine "$1"; fi
