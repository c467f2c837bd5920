# GUEST: a guest of that name is here. Nothing is changed.

volume_exists "$1" || fail permanent VSJ0470 "there is no volume $1 here"
guest_settle "$1" 400 || fail transient VSJ0442 "the guest $1 does not settle"
out running "$guest_state"
