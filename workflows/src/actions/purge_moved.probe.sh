# MOVED

if volume_exists "$1" || guest_defined "$1"; then out state absent; else out state "done"; fi
