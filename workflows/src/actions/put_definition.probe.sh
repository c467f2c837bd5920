# GUEST

if guest_defined "$1"; then out state "done"; else out state absent; fi
