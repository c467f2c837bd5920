# GUEST ADDRESS DEVICE BYTES DISK REPLACES: a guest of that name can be brought here: there is what it needs, and room, if
# BYTES are known, and name and address are free, unless it takes the place of whoever has them. ADDRESS and DEVICE may be
# empty.

if [ "$6" = no ] && { volume_exists "$1" || guest_defined "$1"; }; then
	fail permanent VSJ0476 "there is something called $1 here already"
fi
if [ -n "$3" ] && ! link_device_exists "$3"; then
	fail permanent VSJ0475 "there is no bridge $3 here"
fi
command -v rsync >/dev/null || fail permanent VSJ0477 "there is no rsync here"
if [ "$4" != 0 ]; then
	free=$(volume_free)
	needed=$(volume_needs "$4" "$5")
	[ "$needed" -lt "$free" ] || fail permanent VSJ0478 "$needed bytes are needed, $free are free"
fi
if [ "$6" = no ] && [ -n "$2" ] && [ -n "$3" ] && ! link_is_free "$3" "${2%/*}"; then
	fail permanent VSJ0490 "somebody answers at ${2%/*} already"
fi
