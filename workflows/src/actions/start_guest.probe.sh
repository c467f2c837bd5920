# GUEST

if guest_running "$1"; then out state "done"; else out state absent; fi
