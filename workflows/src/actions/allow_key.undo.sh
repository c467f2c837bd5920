# JOB: ends what still receives, and forbids it.

transfer_end "$1"
