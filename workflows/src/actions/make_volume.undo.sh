# VOLUME: removes it with all that is in it.

volume_delete "$1"
