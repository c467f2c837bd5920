# JOB: removes it.

transfer_end "$1"
