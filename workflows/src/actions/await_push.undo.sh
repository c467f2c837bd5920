# JOB: ends what still receives, and removes what was needed for it.

transfer_end "$1"
