# VOLUME BYTES MEGABYTES: makes an empty volume for so many bytes of files; it holds MEGABYTES at most, or, with 0, what it can.

volume_create "$1" "$2" "${3:-0}"
