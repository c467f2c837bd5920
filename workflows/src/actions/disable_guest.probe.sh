# GUEST

if guest_enabled "$1"; then out state absent; else out state "done"; fi
