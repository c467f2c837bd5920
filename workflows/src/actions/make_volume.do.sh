# VOLUME: makes an empty volume.

volume_create "$1"
