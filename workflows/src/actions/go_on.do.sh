# GUEST JOB START POST: the guest goes on: it is started if it was stopped to be read, and what was prepared in it is taken
# back. If its host was booted meanwhile, it may have run while it was read.

if [ "$3" = yes ]; then
	read -r _ _ before <"$jobs/$2/begun.2"
	transfer_boot now
	[ "$before" = "$now" ] || fail permanent VSJ0482 "the host was booted anew: $1 may have run while it was read"
	guest_start "$1"
fi
guest_goes_on "$1" "$jobs/$2" no "$4"
out started "$3"
