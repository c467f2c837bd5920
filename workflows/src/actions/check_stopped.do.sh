# GUEST: it stands still, so that nobody is cut off whom nobody thought of.

guest_settle "$1" 400 || fail transient VSJ0442 "the guest $1 does not settle"
[ "$guest_state" = stopped ] || fail permanent VSJ0446 "the guest $1 runs, and nobody said that it may be stopped"
