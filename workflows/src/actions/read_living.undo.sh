# GUEST JOB PASS STILL SINCE RUNNING PRE POST: what was prepared in the guest is taken back, and the lists go.

[ ! -d "$jobs/$2" ] || guest_goes_on "$1" "$jobs/$2" no "$8"
rm -rf "${jobs:?}/$2"
durable "$jobs/$2"
