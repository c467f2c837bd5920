# GUEST: it is here. Another job may have moved it while this one waited for it.

volume_exists "$1" || fail permanent VSJ0470 "there is no volume $1 here"
