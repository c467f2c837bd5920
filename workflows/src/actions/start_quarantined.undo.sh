# GUEST: stops it, unless it is of a later job.

if guest_is_of_this_job "$1"; then
	guest_stop "$1" 10
	link_admit "$1"
fi
