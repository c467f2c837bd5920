# GUEST: whether it is enabled and runs.

guest_settle "$1" 400 || fail transient VSJ0442 "the guest $1 does not settle"
out running "$guest_state"
if guest_enabled "$1"; then out enabled enabled; else out enabled disabled; fi
