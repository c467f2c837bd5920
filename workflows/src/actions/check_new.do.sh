# GUEST ADDRESS DEVICE BYTES DISK: a guest of that name and address can be made here.

if volume_exists "$1" || guest_defined "$1"; then
	fail permanent VSJ0476 "there is something called $1 here already"
fi
link_device_exists "$3" || fail permanent VSJ0475 "there is no bridge $3 here"
free=$(volume_free)
needed=$(volume_needs "$4" "$5")
[ "$needed" -lt "$free" ] || fail permanent VSJ0478 "$needed bytes are needed, $free are free"
link_is_free "$3" "${2%/*}" || fail permanent VSJ0490 "somebody answers at ${2%/*} already"
