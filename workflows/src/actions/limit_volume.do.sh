# GUEST MEGABYTES: the most that its volume can hold.

[ "${2:-0}" = 0 ] || volume_limit "$1" "$2"
