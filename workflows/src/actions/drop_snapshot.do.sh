# SNAPSHOT JOB: removes what was needed to read the guest.

volume_delete "$1"
rm -rf "${jobs:?}/$2"
durable "$jobs/$2"
