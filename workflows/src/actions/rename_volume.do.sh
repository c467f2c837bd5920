# FROM TO: gives the volume FROM its final name.

volume_rename "$1" "$2"
volume_exists "$2" || fail permanent VSJ0470 "there is no volume $1 here"
