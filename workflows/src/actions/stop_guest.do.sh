# GUEST RUNNING: stops it, and answers when nothing of it runs, with the time at which that was begun.

out began "$(date +%s%3N)"
guest_stop "$1" 30
