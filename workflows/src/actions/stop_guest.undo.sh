# GUEST RUNNING: starts it if it ran.

if [ "$2" = yes ]; then guest_start "$1"; fi
