# VOLUME BYTES MEGABYTES: makes an empty volume for so many bytes of files; the most that it can hold is MEGABYTES, 0 is no limit.

volume_create "$1" "$2" "${3:-0}"
