# GUEST ENABLED RUNNING: as it was. It is started too if it ran: this host may have been booted anew meanwhile.

if [ "$2" = yes ]; then
	guest_facts "$1"
	guest_enable "$1" "$address" "$device"
fi
if [ "$3" = yes ]; then guest_start "$1"; fi
