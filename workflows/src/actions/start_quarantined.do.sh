# GUEST RUNNING: starts it, so that nobody but its own host can reach it. Nothing enabled it.

if [ "$2" = yes ]; then
	link_quarantine "$1"
	guest_start "$1"
fi
