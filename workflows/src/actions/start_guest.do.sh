# GUEST: starts it, unless it is in quarantine.

guest_defined "$1" || fail permanent VSJ0472 "the guest $1 has no definition here"
if link_quarantined "$1"; then fail permanent VSJ0486 "the guest $1 is in quarantine"; fi
guest_start "$1"
