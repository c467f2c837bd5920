# VOLUME

if volume_exists "$1" && volume_is_own "$1"; then out state "done"; else out state absent; fi
