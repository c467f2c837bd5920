# GUEST MOVED: gives what was the guest here the name MOVED, under which nothing starts it.

guest_state "$1"
[ "$guest_state" = stopped ] || fail permanent VSJ0482 "the guest $1 runs"
if guest_enabled "$1"; then fail permanent VSJ0441 "the guest $1 is enabled"; fi
volume_rename "$1" "$2"
guest_rename_definition "$1" "$2"
