# JOB: removes what was needed to receive.

transfer_end "$1"
