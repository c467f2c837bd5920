# DEVICE ADDRESS RUNNING: whether somebody answers at that address, seen from this host. Nothing hangs on the answer but
# an alert.

if [ "$3" != yes ] || [ -z "$2" ]; then
	out reachable unknown
elif link_answers "$1" "${2%/*}"; then
	out reachable yes
else
	out reachable no
fi
