# GUEST SNAPSHOT JOB MODE RUNNING PRE POST: the guest goes on, and the snapshot goes.

[ ! -d "$jobs/$3" ] || guest_goes_on "$1" "$jobs/$3" "$5" "$7"
volume_delete "$2"
rm -rf "${jobs:?}/$3"
durable "$jobs/$3"
