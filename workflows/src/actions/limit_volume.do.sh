# VOLUME MEGABYTES: the most that the volume can hold.

volume_limit "$1" "$2"
