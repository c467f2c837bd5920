# GUEST RUNNING: stops it, and answers when nothing of it runs.

guest_stop "$1" 30
