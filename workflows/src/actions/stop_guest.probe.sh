# GUEST: when it was stopped nobody knows any more; it is not after now.

guest_state "$1"
if [ "$guest_state" = stopped ]; then
	out state "done"
	out began "$(date +%s%3N)"
else
	out state absent
fi
