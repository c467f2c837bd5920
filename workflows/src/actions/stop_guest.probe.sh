# GUEST

guest_state "$1"
if [ "$guest_state" = stopped ]; then
	out state "done"
else
	out state absent
fi
